"""The way to a server, with failures on demand: requests that never leave, and answers that never arrive."""

from __future__ import annotations

from collections import deque
from typing import Literal

import httpx

Fault = Literal["passed", "not_sent", "answer_lost", "refused"]


class CutTransport(httpx.AsyncBaseTransport):
    """The real network, except for the next requests of a kind.

    `faults["POST"]` is used up request by request: `passed` is no failure, `not_sent` fails before the server hears of
    it, `answer_lost` after it has acted, `refused` answers 422 in its stead.
    """

    def __init__(self) -> None:
        self._network = httpx.AsyncHTTPTransport()
        self.faults: dict[str, deque[Fault]] = {}
        self.requests: list[str] = []

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next requests with *method* fail."""
        self.faults[method] = deque(faults)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        waiting = self.faults.get(request.method)
        fault = waiting.popleft() if waiting else "passed"
        match fault:
            case "not_sent":
                raise httpx.ConnectError("cut by the test", request=request)
            case "refused":
                return httpx.Response(422, json={"error": {"message": "the test says no"}}, request=request)
            case "answer_lost":
                answer = await self._network.handle_async_request(request)
                await answer.aread()
                raise httpx.ReadTimeout("cut by the test", request=request)
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()
