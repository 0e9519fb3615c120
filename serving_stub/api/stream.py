"""One generation as an HTTP answer: tokens as server-sent events, or collected into one JSON body.

Nothing is sent before the engine has taken the request, so a refusal is still a proper error. When the client leaves,
the engine's iterator is closed, which frees the request's KV blocks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving_stub.api.errors import ApiError, json_response
from serving_stub.api.inflight import Ending, InFlight
from serving_stub.api.schema import PromptTokensDetails, Usage
from serving_stub.api.shape import Shape
from serving_stub.api.stopping import STOPPING
from serving_stub.engine.interface import GenerationRequest, RequestRefused, TokenChunk
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.served import Served, served_of

_DONE = b"data: [DONE]\n\n"
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_ENGINE_FAILED = ApiError(500, "engine_error", "the engine failed on this request; others go on")
_TOO_LATE = ApiError(
    503,
    "deadline_exceeded",
    "no token could be had within the request's deadline_s; try again later, or allow more time",
    headers={"retry-after": "1"},
)
_ENGINE_DIED = ApiError(
    503,
    "engine_died",
    "the engine died while this request was in it, and is being started again; send the request again",
    headers={"retry-after": "1"},
)
_RESTARTED = ApiError(
    503,
    "engine_restarted",
    "the engine was started anew, as somebody asked, while this request was in it; send the request again",
    headers={"retry-after": "1"},
)
_FAILURES: Mapping[str, ApiError] = {
    "error": _ENGINE_FAILED,
    "deadline": _TOO_LATE,
    "crash": _ENGINE_DIED,
    "restart": _RESTARTED,
}


class GenerationResponse(Response):
    """Answers one generation.

    Args:
        loop: where the request is generated.
        generation: what to generate.
        shape: how it is written.
        is_streamed: as events, or in one.
        wants_usage: whether the stream ends with a usage chunk.
    """

    def __init__(
        self,
        loop: EngineLoop,
        in_flight: InFlight,
        generation: GenerationRequest,
        shape: Shape,
        *,
        is_streamed: bool,
        wants_usage: bool,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._in_flight = in_flight
        self._generation = generation
        self._shape = shape
        self._is_streamed = is_streamed
        self._wants_usage = wants_usage
        self._is_started = False
        self._text = ""
        self._last: TokenChunk | None = None
        self._answer: Response | None = None
        self._served = Served()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._served = served_of(scope)
        if self._in_flight.is_closed:
            self._served.error_code = STOPPING.code
            await STOPPING.response()(scope, receive, send)
            return
        with self._in_flight.counted():
            ending = await self._in_flight.watch(self._stream(send) if self._is_streamed else self._collect(), receive)
            self._note()
            if ending is Ending.CLIENT_GONE:
                self._served.error_code = "client_gone"
                return
            if ending is Ending.STOPPED:
                await self._abort(send)
            if self._answer is not None:
                await self._answer(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        try:
            async with aclosing(self._loop.generate(self._generation)) as chunks:
                async for chunk in chunks:
                    self._last = chunk
                    failure = _FAILURES.get(chunk.finish_reason or "")
                    if failure is not None:
                        await self._fail(send, failure)
                        return
                    await self._start(send)
                    if chunk.text:
                        self._served.say(chunk.text)
                    if chunk.text or chunk.finish_reason:
                        await self._send(send, self._shape.piece(chunk.text, chunk.finish_reason))
        except RequestRefused as refused:
            self._answer = self._failure(_refusal(refused))
            return
        await self._finish(send)

    async def _collect(self) -> None:
        try:
            async with aclosing(self._loop.generate(self._generation)) as chunks:
                async for chunk in chunks:
                    self._last = chunk
                    self._text += chunk.text
        except RequestRefused as refused:
            self._answer = self._failure(_refusal(refused))
            return
        self._answer = self._whole(self._last.finish_reason if self._last else "error")

    def _whole(self, finish_reason: str | None) -> Response:
        if self._last is None or finish_reason is None:
            return self._failure(_ENGINE_FAILED)
        if finish_reason in _FAILURES:
            return self._failure(_FAILURES[finish_reason])
        self._served.say(self._text)
        return json_response(self._shape.whole(self._text, str(finish_reason), _usage(self._last)))

    async def _abort(self, send: Send) -> None:
        """End early because the server stops: with what there is, or with 503 when there is nothing yet."""
        if self._last is None:
            self._answer = self._failure(STOPPING)
        elif self._is_streamed:
            if self._last.finish_reason is None:
                await self._send(send, self._shape.piece("", "abort"))
            await self._finish(send)
        else:
            self._answer = self._whole(self._last.finish_reason or "abort")

    async def _fail(self, send: Send, failure: ApiError) -> None:
        if not self._is_started:
            self._answer = self._failure(failure)
            return
        self._served.error_code = failure.code
        await self._send(send, failure.body())
        await send({"type": "http.response.body", "body": _DONE})

    async def _start(self, send: Send) -> None:
        if self._is_started:
            return
        self._is_started = True
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        self._served.first_token_at = time.monotonic()
        opening = self._shape.opening()
        if opening is not None:
            await self._send(send, opening)

    async def _finish(self, send: Send) -> None:
        if self._last is not None and self._wants_usage:
            await self._send(send, self._shape.usage_piece(_usage(self._last)))
        await send({"type": "http.response.body", "body": _DONE})

    def _failure(self, failure: ApiError) -> Response:
        self._served.error_code = failure.code
        return failure.response()

    def _note(self) -> None:
        """What the engine counted, for whoever reads it when the answer is over."""
        last, served = self._last, self._served
        if last is None:
            return
        served.prompt_tokens, served.cached_tokens = last.num_prompt_tokens, last.num_cached_tokens
        served.completion_tokens = last.num_generated_tokens
        served.finish_reason = last.finish_reason

    async def _send(self, send: Send, event: BaseModel) -> None:
        # A stream that asked for usage shows `usage: null` until its last chunk; one that did not never shows it.
        content = event.model_dump_json(exclude=None if self._wants_usage else {"usage"})
        await send({"type": "http.response.body", "body": f"data: {content}\n\n".encode(), "more_body": True})


def _usage(last: TokenChunk) -> Usage:
    return Usage(
        prompt_tokens=last.num_prompt_tokens,
        completion_tokens=last.num_generated_tokens,
        total_tokens=last.num_prompt_tokens + last.num_generated_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=last.num_cached_tokens),
    )


def _refusal(refused: RequestRefused) -> ApiError:
    return ApiError(400, refused.code, refused.message)
