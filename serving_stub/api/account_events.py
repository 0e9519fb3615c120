"""POST /events: the account service tells of sign-ups, with its own token."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.body import read
from serving_stub.api.errors import ApiError, json_response
from serving_stub.config import FEED_TOKEN_ENV
from serving_stub.frontdoor.account_feed import MOST_IN_BATCH, AccountFeed

MAX_BODY_BYTES = 1 << 20


class Batch(BaseModel):
    """What is sent: `{"events": [...]}`; each entry is checked for itself."""

    model_config = ConfigDict(extra="forbid")

    events: list[Any] = Field(max_length=MOST_IN_BATCH)


class AccountEvents:
    """The route; without a token it refuses everybody."""

    def __init__(self, feed: AccountFeed, token: SecretStr | None) -> None:
        self._feed = feed
        self._token = token

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        return [Route("/events", self.accept, methods=["POST"])]

    async def accept(self, request: Request) -> Response:
        """POST /events."""
        if self._token is None:
            raise ApiError(403, "feed_disabled", f"the account feed is off; set {FEED_TOKEN_ENV} to turn it on")
        expected = f"Bearer {self._token.get_secret_value()}"
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), expected.encode()):
            raise ApiError(401, "invalid_token", "the account feed needs `Authorization: Bearer` with its token")
        batch = await read(request, Batch, MAX_BODY_BYTES, status=422, code="invalid_request")
        try:
            return json_response(self._feed.tell(batch.events))
        except OSError as error:
            raise ApiError(
                503,
                "feed_unavailable",
                "the sign-ups could not be kept; send them again",
                headers={"retry-after": "5"},
            ) from error
