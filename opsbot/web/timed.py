"""Measures how long a route takes to answer, whatever it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

from prometheus_client import Histogram
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


def timed(endpoint: Endpoint, seconds: Histogram) -> Endpoint:
    """The endpoint, each of whose answers is counted in *seconds*."""

    async def measured(request: Request) -> Response:
        began = perf_counter()
        try:
            return await endpoint(request)
        finally:
            seconds.observe(perf_counter() - began)

    return measured
