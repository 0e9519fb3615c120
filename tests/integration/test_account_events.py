"""POST /events over HTTP: who may tell, and what is answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from serving_stub.api.account_events import AccountEvents
from serving_stub.api.errors import ApiError, answer_api_error
from serving_stub.frontdoor.account_feed import AccountFeed

pytestmark = pytest.mark.integration

SIGNUP = {"kind": "signup", "ts": 1790000000.0, "org": "acme", "account": "a-1"}
TOKEN = {"authorization": "Bearer feed"}


async def post(body: Any, headers: dict[str, str], token: SecretStr | None) -> tuple[int, Any]:
    """Status and body of one answer."""
    routes = AccountEvents(AccountFeed(lambda event: None), token).routes()
    transport = httpx.ASGITransport(Starlette(routes=routes, exception_handlers={ApiError: answer_api_error}))
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
        answer = await http.post("/events", json=body, headers=headers)
    return answer.status_code, answer.json()


async def test_a_batch_is_answered_entry_by_entry() -> None:
    """As the log's own sinks answer."""
    status, body = await post({"events": [SIGNUP, {"kind": "signup"}]}, TOKEN, SecretStr("feed"))
    assert status == 200
    assert body == {"accepted": 1, "rejected": ["events[1].ts: Field required"]}


@pytest.mark.parametrize(
    ("body", "headers", "token", "expected"),
    [
        ({"events": []}, {}, SecretStr("feed"), (401, "invalid_token")),
        ({"events": []}, TOKEN, None, (403, "feed_disabled")),
        ([], TOKEN, SecretStr("feed"), (422, "invalid_request")),
        ({"events": [], "more": 1}, TOKEN, SecretStr("feed"), (422, "invalid_request")),
        ({"events": [0] * 501}, TOKEN, SecretStr("feed"), (422, "invalid_request")),
    ],
    ids=["no token", "turned off", "no object", "another field", "too many"],
)
async def test_who_and_what_is_refused(
    body: Any, headers: dict[str, str], token: SecretStr | None, expected: tuple[int, str]
) -> None:
    """With a typed error."""
    status, answer = await post(body, headers, token)
    assert (status, answer["error"]["code"]) == expected
