"""A transport that lets nothing through but questions: whatever asks servers in a dry run goes over it."""

from __future__ import annotations

import httpx

from opsbot.errors import ActionError

QUESTIONS = frozenset({"GET", "HEAD"})


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """Passes questions on, and raises ActionError for anything that could change something."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None) -> None:
        """Args: inner: how questions travel; the network unless stated."""
        self._inner = inner or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method not in QUESTIONS:
            raise ActionError(f"a dry run sends no {request.method} {request.url.path}; this is a bug of the action")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
