"""The gateway's backend: passes /v1/* on to any OpenAI-compatible server and its answer back as it comes.

The answer is not begun before the upstream's first byte is here, so every failure until then is a proper status; later
ones end the stream with an error event and `[DONE]`. When the client leaves, the connection to the upstream is closed,
which is how engines learn that a request's KV blocks may go.

The client is aiohttp because it was measured: 40 to 50 µs of processor time for a streamed token, uvicorn's share
included, against 70 to 120 µs with httpx (`docs/frontdoor.md`, section "Gateway").
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import aiohttp
from pydantic_core import from_json
from starlette.types import Receive, Scope, Send
from yarl import URL

from serving_stub.api.errors import ApiError
from serving_stub.api.inflight import Ending, InFlight
from serving_stub.api.patience import Patience
from serving_stub.api.stopping import STOPPING
from serving_stub.api.upstream_request import (
    Asked,
    BodyTooLarge,
    ClientGone,
    asked_of,
    headers_of,
    read_body,
    url_of,
)
from serving_stub.api.upstream_settings import UpstreamSettings
from serving_stub.api.upstream_stream import BadStream, StreamRelay, code_of, event_of, read_usage
from serving_stub.frontdoor.served import Served, served_of

_NOT_PASSED_BACK = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length", "content-encoding", "server", "date", "set-cookie", "alt-svc", "location"}
)
"""Answer headers of one hop (RFC 9110, section 7.6.1), those that we set, and those that name the upstream."""

_STALE_AFTER_S = 4.0
"""Idle connections are given up just before uvicorn's servers, vLLM's too, would close them (5 s)."""
_MOST_ERROR_BYTES = 1 << 16

_UNREACHABLE = ApiError(
    503, "upstream_unreachable", "the model server cannot be reached; try again later", headers={"retry-after": "5"}
)
_TIMEOUT = ApiError(
    504, "upstream_timeout", "the model server did not answer in time; try again later", headers={"retry-after": "5"}
)
_RESET = ApiError(
    502, "upstream_reset", "the model server broke off; send the request again", headers={"retry-after": "1"}
)
_BAD_ANSWER = ApiError(502, "upstream_bad_answer", "the model server's answer is not one of OpenAI's API")
_TOO_LARGE = ApiError(502, "upstream_answer_too_large", "the model server's answer is larger than is passed on")


class Upstream:
    """An ASGI application; `close` when done.

    Args:
        settings: see there.
        in_flight: counts the requests and ends them when the server stops.
    """

    def __init__(self, settings: UpstreamSettings, in_flight: InFlight) -> None:
        self._settings = settings
        self._in_flight = in_flight
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections to the upstream."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the gateway speaks HTTP, not {scope['type']}")
        served = served_of(scope)
        exchange = _Exchange(self, self._settings, served, scope, send)
        if self._in_flight.is_closed:
            await exchange.fail(STOPPING)
            return
        with self._in_flight.counted():
            try:
                asked = asked_of(
                    scope, await read_body(scope, receive, self._settings.max_body_bytes), self._settings.asks_usage
                )
            except ClientGone:
                served.error_code = "client_gone"
                return
            except BodyTooLarge as error:
                await exchange.fail(ApiError(413, "body_too_large", str(error)))
                return
            ending = await self._in_flight.watch(exchange.run(asked), receive)
            if ending is Ending.CLIENT_GONE:
                served.error_code = "client_gone"
            elif ending is Ending.STOPPED:
                await exchange.fail(STOPPING)

    def session(self) -> aiohttp.ClientSession:
        """The connections; made at first use, inside the loop that they belong to."""
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.max_connections, keepalive_timeout=_STALE_AFTER_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._settings.connect_s),
                skip_auto_headers=("User-Agent", "Content-Type"),
                trace_configs=[trace],
            )
        return self._session


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.append(True)


class _Exchange:
    """One request to the upstream and its answer."""

    def __init__(
        self, upstream: Upstream, settings: UpstreamSettings, served: Served, scope: Scope, send: Send
    ) -> None:
        self._upstream = upstream
        self._settings = settings
        self._served = served
        self._scope = scope
        self._send = send
        self._is_started = False
        self._is_stream = False
        self._relay: StreamRelay | None = None

    async def run(self, asked: Asked) -> None:
        """Ask, and pass the answer on; whatever breaks is answered as well as it still can be."""
        url = url_of(self._scope, self._settings.root)
        if url is None:
            await self.fail(ApiError(404, "path_not_found", "only paths under /v1 are passed on to the model server"))
            return
        try:
            await self._run(url, asked)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            await self.fail(_UNREACHABLE)
        except TimeoutError:
            await self.fail(_TIMEOUT)
        except (BadStream, aiohttp.ClientResponseError):
            await self.fail(_BAD_ANSWER)
        except (aiohttp.ClientError, ConnectionError):
            await self.fail(_RESET)
        except ApiError as error:
            await self.fail(error)

    async def fail(self, error: ApiError) -> None:
        """Answer *error*; in a stream that has begun as its last event.

        Any other answer that has begun is left unfinished, so the server closes the connection and the client sees it.
        """
        self._served.error_code = error.code
        if self._relay is not None:
            self._relay.settle()
        if not self._is_started:
            self._served.status = error.status
            await error.response()(self._scope, _nothing_more, self._send)
        elif self._is_stream:
            await self._send({"type": "http.response.body", "body": event_of(error)})

    async def _run(self, url: URL, asked: Asked) -> None:
        limit_s = self._settings.first_byte_s if asked.is_stream else self._settings.whole_s
        async with Patience(limit_s) as patience:
            answer = await self._ask(url, asked)
            try:
                if answer.status >= 300:
                    await self._pass_refusal(answer)
                elif not asked.is_generation:
                    await self._pass_bytes(answer, patience)
                elif asked.is_stream and answer.content_type == "text/event-stream":
                    await self._pass_stream(answer, patience, hides_usage=asked.hides_usage)
                else:
                    await self._pass_whole(answer)
            finally:
                # Closed, not given back to the pool, unless it was read to its end.
                answer.close() if not answer.content.at_eof() else answer.release()

    async def _ask(self, url: URL, asked: Asked) -> aiohttp.ClientResponse:
        """Send the request; again if a kept connection turns out to be one that the upstream had just closed."""
        session = self._upstream.session()
        headers = headers_of(self._scope, self._settings)
        while True:
            reused: list[bool] = []
            try:
                return await session.request(
                    self._scope["method"],
                    url,
                    data=asked.body or None,
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=reused,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not reused or isinstance(error, aiohttp.ClientConnectorError):
                    raise

    async def _pass_stream(self, answer: aiohttp.ClientResponse, patience: Patience, *, hides_usage: bool) -> None:
        self._is_stream = True
        relay = self._relay = StreamRelay(self._served, hides_usage=hides_usage)
        patience.wait(self._settings.first_byte_s)
        while piece := await answer.content.readany():
            patience.stop()
            passed = relay.feed(piece)
            if passed:
                if not self._is_started:
                    await self._start(answer)
                await self._send({"type": "http.response.body", "body": passed, "more_body": True})
                if relay.has_content and self._served.first_token_at is None:
                    self._served.first_token_at = time.monotonic()
            patience.wait(self._settings.idle_s)
        patience.stop()
        rest = relay.end()
        if not self._is_started:
            await self._start(answer)
        await self._send({"type": "http.response.body", "body": rest})

    async def _pass_whole(self, answer: aiohttp.ClientResponse) -> None:
        """A generation in one piece: read to its end first, so that half of one can be told as what it is."""
        content = await self._read(answer, self._settings.max_answer_bytes)
        if content is None:
            raise _TOO_LARGE
        body = _object(content)
        if body is None:
            raise _BAD_ANSWER
        read_usage(body.get("usage"), self._served)
        choices = body.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            reason = choices[0].get("finish_reason")
            self._served.finish_reason = reason if isinstance(reason, str) else None
            message = choices[0].get("message")
            text = message.get("content") if isinstance(message, dict) else choices[0].get("text")
            if isinstance(text, str):
                self._served.say(text)
        await self._answer(answer, content)

    async def _pass_refusal(self, answer: aiohttp.ClientResponse) -> None:
        """An error in JSON is passed on as it is; of a page of some proxy only the status, if it is an error's."""
        content = await self._read(answer, _MOST_ERROR_BYTES)
        body = None if content is None else _object(content)
        if answer.status < 400:
            raise _BAD_ANSWER
        if content is not None and body is not None:
            self._served.error_code = code_of(body)
            await self._answer(answer, content)
            return
        retry_after = answer.headers.get("retry-after")
        headers = {} if retry_after is None else {"retry-after": retry_after}
        raise ApiError(answer.status, "upstream_error", "the model server refused without a reason", headers=headers)

    async def _pass_bytes(self, answer: aiohttp.ClientResponse, patience: Patience) -> None:
        """Anything else under /v1, unread."""
        await self._start(answer)
        patience.wait(self._settings.idle_s)
        async for piece in answer.content.iter_any():
            patience.stop()
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            patience.wait(self._settings.idle_s)
        patience.stop()
        await self._send({"type": "http.response.body", "body": b""})

    async def _read(self, answer: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
        """The whole body, or None if it is larger than that."""
        content = bytearray()
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > max_bytes:
                return None
        return bytes(content)

    async def _answer(self, answer: aiohttp.ClientResponse, content: bytes) -> None:
        await self._start(answer, content_length=len(content))
        await self._send({"type": "http.response.body", "body": content})

    async def _start(self, answer: aiohttp.ClientResponse, *, content_length: int | None = None) -> None:
        headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.lower().decode() not in _NOT_PASSED_BACK
        ]
        if content_length is not None:
            headers.append((b"content-length", b"%d" % content_length))
        self._is_started = True
        self._served.status = answer.status
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = from_json(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
