"""Where simulated requests enter: behind the front door, before HTTP's streams.

They pass the door like any other, so that a shed, a failwhale or a full queue turns them away. From there on a request
is its token counts: nothing is tokenized, and of the answer only its first token and its end are told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing

from starlette.types import ASGIApp, Receive, Scope, Send

from serving_stub.api.errors import ApiError
from serving_stub.api.services import Services
from serving_stub.api.stopping import ENGINE_DEAD, STOPPING
from serving_stub.engine.interface import GenerationRequest, RequestRefused, SamplingParams, TokenChunk
from serving_stub.fleet.arrival import Arrival
from serving_stub.frontdoor.served import Served, served_of
from serving_stub.sim.prompt import prompt_of

_FAILED: Mapping[str, str] = {
    "error": "engine_error",
    "crash": "engine_died",
    "restart": "engine_restarted",
    "abort": "server_stopping",
}


class BelowHttp:
    """A server's backend that takes simulated requests too.

    Args:
        routes: for all others.
    """

    def __init__(self, services: Services, routes: ASGIApp) -> None:
        self._services = services
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state", {})
        arrival = state.get("arrival")
        if not isinstance(arrival, Arrival):
            await self._routes(scope, receive, send)
            return
        served = served_of(scope)
        failure = await self._serve(arrival, state["number"], state.get("priority", 0), served)
        served.error_code = None if failure is None else failure.code
        status = 200 if failure is None else failure.status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _serve(self, arrival: Arrival, number: int, priority: int, served: Served) -> ApiError | None:
        services = self._services
        if services.in_flight.is_closed:
            return STOPPING
        if await services.faults.meet():
            services.metrics.count_failure()
            return ApiError(500, "injected_fault", "a fault was asked for")
        if not services.loop.stats().is_alive:
            return ENGINE_DEAD
        params = SamplingParams(max_tokens=arrival.answer_tokens, ignore_eos=True)
        prompt = prompt_of(number, arrival.prompt_tokens)
        last: TokenChunk | None = None
        with services.in_flight.counted():
            try:
                request = GenerationRequest(f"sim-{number}", prompt, params, priority=priority)
                async with aclosing(services.loop.generate(request, is_brief=True)) as chunks:
                    async for chunk in chunks:
                        last = chunk
                        if served.first_token_at is None and chunk.num_generated_tokens:
                            served.first_token_at = time.monotonic()
            except RequestRefused as refused:
                return ApiError(400, refused.code, refused.message)
        return _end(last, served)


def _end(last: TokenChunk | None, served: Served) -> ApiError | None:
    if last is None:
        return ENGINE_DEAD
    served.prompt_tokens, served.cached_tokens = last.num_prompt_tokens, last.num_cached_tokens
    served.completion_tokens, served.finish_reason = last.num_generated_tokens, last.finish_reason
    code = _FAILED.get(last.finish_reason or "error")
    return None if code is None else ApiError(503, code, "the answer did not come to its end")
