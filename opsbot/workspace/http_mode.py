"""HTTP mode: what people do is POSTed to the app's request URL, signed as Slack signs.

How Slack signs: docs.slack.dev/authentication/verifying-requests-from-slack.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import aiohttp

from opsbot.workspace.delivery import FAILED, NO_ANSWER, NOT_CONNECTED, Kind, Retry, Undelivered

logger = logging.getLogger(__name__)

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MAX_ANSWER_BYTES = 1 << 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


def signature(signing_secret: str, timestamp: str, body: str) -> str:
    """Slack's signature, version 0."""
    signed = hmac.new(signing_secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return f"v0={signed.hexdigest()}"


class HttpMode:
    """The app behind its request URL. To be made in the running event loop.

    Args:
        token: Slack's verification token.
        on_change: told whether the app answers, whenever that changes.
        ack_within_s: how long the app has to answer; Slack's limit is 3.
    """

    def __init__(
        self,
        request_url: str,
        signing_secret: str,
        token: str,
        on_change: Callable[[bool], None],
        ack_within_s: float = 3.0,
    ) -> None:
        self._url = request_url
        self._secret = signing_secret
        self._token = token
        self._on_change = on_change
        timeout = aiohttp.ClientTimeout(total=ack_within_s)
        # The request URL is the operator's own; a proxy of the environment has no business with it.
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        self._is_verified = False
        self._verifying = asyncio.create_task(self._verify())

    @property
    def is_connected(self) -> bool:
        """Whether the app answered last time."""
        return self._is_verified

    async def send(self, kind: Kind, payload: Mapping[str, Any], retry: Retry | None = None) -> dict[str, Any]:
        """POST it; answers the body of the app's answer. Raises: Undelivered."""
        content_type, body = _encoded(kind, payload)
        status, headers, answer = await self._post(content_type, body, retry)
        if status != HTTPStatus.OK:
            may_retry = headers.get("X-Slack-No-Retry") != "1"
            raise Undelivered(FAILED, "http_error", may_retry=may_retry)
        self._set_verified(True)
        return _parsed(answer)

    async def close(self) -> None:
        """Stop asking whether the app is there."""
        self._verifying.cancel()
        await asyncio.gather(self._verifying, return_exceptions=True)
        await self._http.close()

    async def _post(self, content_type: str, body: str, retry: Retry | None) -> tuple[int, Mapping[str, str], str]:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._secret, timestamp, body),
        }
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry.attempt), "X-Slack-Retry-Reason": retry.reason}
        try:
            async with self._http.post(self._url, data=body.encode(), headers=headers, allow_redirects=False) as answer:
                return answer.status, answer.headers, await _text(answer)
        except TimeoutError as error:
            raise Undelivered(NO_ANSWER, "http_timeout") from error
        except aiohttp.ClientError as error:
            self._set_verified(False)
            if self._verifying.done():
                self._verifying = asyncio.create_task(self._verify())
            raise Undelivered(NOT_CONNECTED, "connection_failed") from error

    async def _verify(self) -> None:
        """Ask the app to repeat a challenge, until it does; then it is connected."""
        pause_s = FIRST_PAUSE_S
        while True:
            challenge = secrets.token_urlsafe(32)
            body = json.dumps({"token": self._token, "challenge": challenge, "type": "url_verification"})
            try:
                status, _, answer = await self._post(JSON, body, None)
            except Undelivered:
                status, answer = 0, ""
            if status == HTTPStatus.OK and challenge in (answer.strip(), _parsed(answer).get("challenge")):
                self._set_verified(True)
                return
            if status:
                logger.warning("the request URL answered %d to url_verification, not the challenge", status)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _set_verified(self, is_verified: bool) -> None:
        if is_verified != self._is_verified:
            self._is_verified = is_verified
            self._on_change(is_verified)


def _encoded(kind: Kind, payload: Mapping[str, Any]) -> tuple[str, str]:
    match kind:
        case "events_api":
            return JSON, json.dumps(payload)
        case "slash_commands":
            return FORM, urlencode(payload)
        case "interactive":
            return FORM, urlencode({"payload": json.dumps(payload)})


async def _text(answer: aiohttp.ClientResponse) -> str:
    content = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise Undelivered(FAILED, "http_error")
    return content.decode(errors="replace")


def _parsed(answer: str) -> dict[str, Any]:
    """An object as it is; any other text is what the app says, as in `ack("text")`."""
    try:
        content = json.loads(answer)
    except ValueError:
        return {"text": answer} if answer.strip() else {}
    return content if isinstance(content, dict) else {}
