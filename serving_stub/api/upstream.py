"""The gateway's backend: passes /v1/* on to any OpenAI-compatible server and its answer back as it comes.

The answer is not begun before the upstream's first byte is here, so every failure until then is a proper status; later
ones end the stream with an error event and `[DONE]`. When the client leaves, the connection to the upstream is closed,
which is how engines learn that a request's KV blocks may go.

The client is aiohttp because it was measured: 44 µs of processor time for a streamed token, uvicorn's share included,
against 123 µs with httpx (`docs/frontdoor.md`, section "Gateway").
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import from_json
from starlette.types import Receive, Scope, Send
from yarl import URL

from serving_stub.api.errors import ApiError
from serving_stub.api.inflight import Ending, InFlight
from serving_stub.api.patience import Patience
from serving_stub.api.upstream_body import Asked, BodyTooLarge, ClientGone, asked_of, read_body
from serving_stub.api.upstream_stream import BadStream, StreamRelay, code_of, event_of, read_usage
from serving_stub.frontdoor.served import Served, served_of

UPSTREAM_KEY_ENV = "SERVING_UPSTREAM_KEY"

_PASSED_ON = frozenset(
    {b"accept", b"content-type", b"user-agent", b"x-request-id", b"traceparent", b"tracestate", b"idempotency-key"}
    | {b"openai-organization", b"openai-project", b"openai-beta"}
)
"""Request headers that reach the upstream: no key, cookie or address of a client can slip through a list like this."""

_NOT_PASSED_BACK = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length", "content-encoding", "server", "date", "set-cookie", "alt-svc", "location"}
)
"""Answer headers of one hop (RFC 9110, section 7.6.1), those that we set, and those that name the upstream."""

_STALE_AFTER_S = 4.0
"""Idle connections are given up just before uvicorn's servers, vLLM's too, would close them (5 s)."""
_MOST_ERROR_BYTES = 1 << 16
_PIECE_BYTES = 1 << 16

_STOPPING = ApiError(503, "server_stopping", "the server is stopping; ask another one", headers={"retry-after": "5"})
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


class UpstreamSettings(BaseModel):
    """Where the upstream is and how long it is waited for.

    Args:
        url: of its root, or ending in /v1 as OpenAI's clients write it.
        key: sent as the bearer token instead of the client's.
        passes_key: whether, without a *key*, the client's own is sent on; for gateways that know no tenants.
        asks_usage: whether streams are asked for their token count; not every old server knows how.
        connect_s: to have a connection.
        first_byte_s: from the request to the first byte of a stream.
        whole_s: from the request to the first byte of an answer in one piece, hence of all its tokens.
        idle_s: between two pieces of an answer that has begun.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")
    key: SecretStr | None = None
    passes_key: bool = False
    asks_usage: bool = True
    connect_s: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    first_byte_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    whole_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    idle_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    max_connections: int = Field(default=1024, ge=1)
    max_body_bytes: int = Field(default=1 << 20, ge=1)
    max_answer_bytes: int = Field(default=16 << 20, ge=1)

    @property
    def root(self) -> str:
        """The URL that paths like /v1/models and /metrics are added to."""
        return self.url.rstrip("/").removesuffix("/v1")


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
            await exchange.fail(_STOPPING)
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
                await exchange.fail(_STOPPING)

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
        url = self._url()
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
        headers = self._headers()
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

    def _headers(self) -> Mapping[str, str]:
        headers = {"accept-encoding": "identity"}
        authorization = None
        for name, value in self._scope["headers"]:
            if name in _PASSED_ON:
                headers[name.decode("latin-1")] = value.decode("latin-1")
            elif name == b"authorization":
                authorization = value.decode("latin-1")
        if self._settings.key is not None:
            headers["authorization"] = f"Bearer {self._settings.key.get_secret_value()}"
        elif self._settings.passes_key and authorization is not None:
            headers["authorization"] = authorization
        return headers

    def _url(self) -> URL | None:
        """Where to ask; None for a path that is not under /v1, or leads out of it again."""
        path: str = self._scope["path"]
        if not path.startswith("/v1/") or any(part in (".", "..") for part in path.replace("\\", "/").split("/")):
            return None
        raw = self._scope.get("raw_path") or path.encode()
        query = self._scope.get("query_string", b"")
        target = raw.decode("latin-1").split("?", 1)[0] + (f"?{query.decode('latin-1')}" if query else "")
        return URL(self._settings.root + target, encoded=True)


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = from_json(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
