"""The request URL: HTTP mode's one door, where Slack POSTs what people do, signed.

Order: how large, is it Slack's, was it here before, then Bolt. What is not Slack's costs no more than a hash, and
nothing of a body is ever logged. A TLS proxy stands before this; docs/slack.md has how.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict

from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsbot.clock import Clock
from opsbot.web.inbound.body import read_body
from opsbot.web.inbound.errors import InboundError

logger = logging.getLogger(__name__)

PATH = "/slack/events"
MAX_BYTES = 1 << 20
"""The largest that Slack sends is a view of 250,000 characters with its state, form-encoded."""
READ_LIMIT_S = 3.0
MAX_AT_ONCE = 32
SAME_FOR_S = 300.0
"""Slack's own limit for how old a request may be; the library checks it."""
MOST_REMEMBERED = 50_000
SAY_EVERY_S = 60.0
_TIMESTAMP = re.compile(r"^[0-9]{1,12}$")


class RequestUrl:
    """Takes Slack's requests.

    Args:
        app: Bolt's, made without its own check of signatures, since it is done here before anything is parsed.
        signing_secret: of the Slack app.
    """

    def __init__(self, app: AsyncApp, signing_secret: str, clock: Clock) -> None:
        self._bolt = app
        self._verifier = SignatureVerifier(signing_secret)
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._said_at: float | None = None
        self._num_refused = 0
        self.last_heard_at: float | None = None
        self.app = Starlette(
            routes=[Route(PATH, self.take, methods=["POST"]), Route("/healthz", _alive, methods=["GET"])]
        )

    async def take(self, request: Request) -> Response:
        """One request."""
        try:
            body = await read_body(request, MAX_BYTES, READ_LIMIT_S)
        except InboundError as error:
            return self._refused(error.status, error.kind)
        except ClientDisconnect:
            return Response(status_code=400)
        reason = self._problem(request, body)
        if reason is not None:
            return self._refused(401, reason)
        try:
            bolt_request = to_async_bolt_request(request, body)
        except (ValueError, TypeError, AttributeError, KeyError):
            # The library takes for granted that whatever is signed is an object.
            return self._refused(400, "malformed")
        self.last_heard_at = self._clock.now()
        async with self._turns:
            return to_starlette_response(await self._bolt.async_dispatch(bolt_request))

    def _problem(self, request: Request, body: bytes) -> str | None:
        """Why the request is not taken, in one word; None if it is Slack's and new."""
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not _TIMESTAMP.match(timestamp) or not signature.isascii():
            return "unsigned"
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return "forged"
        if not self._verifier.is_valid(text, timestamp, signature):
            return "forged_or_old"
        return None if self._is_new(signature) else "replayed"

    def _is_new(self, signature: str) -> bool:
        now = self._clock.monotonic()
        while self._seen:
            oldest, at = next(iter(self._seen.items()))
            # Twice as long as a request is good for, since the two clocks may differ in either direction.
            if now - at < 2 * SAME_FOR_S and len(self._seen) < MOST_REMEMBERED:
                break
            del self._seen[oldest]
        if signature in self._seen:
            return False
        self._seen[signature] = now
        return True

    def _refused(self, status: int, reason: str) -> Response:
        self._num_refused += 1
        now = self._clock.monotonic()
        if self._said_at is None or now - self._said_at >= SAY_EVERY_S:
            logger.warning("%d requests to %s refused, the last: %s", self._num_refused, PATH, reason)
            self._said_at, self._num_refused = now, 0
        return JSONResponse({"error": reason}, status_code=status)


async def _alive(request: Request) -> Response:
    return PlainTextResponse("ok\n")
