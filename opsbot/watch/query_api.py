"""Answers queries in the format of Prometheus's HTTP API, so that core asks us as it would ask Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsbot.clock import Clock
from opsbot.promql.evaluate import evaluate
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError, parse
from opsbot.promql.vector import Value

MAX_POINTS = 11_000
"""Prometheus's own limit of points in one range query."""


def query_app(
    store: SampleStore, clock: Clock, metrics: Callable[[], str], targets: Callable[[], list[Any]]
) -> Starlette:
    """The read-only web app of the watch role."""

    async def arguments(request: Request) -> dict[str, str]:
        found = dict(request.query_params.items())
        if request.method == "POST":
            found |= {key: str(value) for key, value in (await request.form()).items()}
        return found

    async def instant(request: Request) -> Response:
        given = await arguments(request)
        try:
            time_s = float(given.get("time", clock.now()))
            value = evaluate(parse(given["query"]), store, time_s)
        except (KeyError, ValueError) as error:
            return _bad(f"invalid parameter: {error}")
        except QueryError as error:
            return _bad(str(error))
        return JSONResponse({"status": "success", "data": _instant_data(value, time_s)})

    async def ranged(request: Request) -> Response:
        given = await arguments(request)
        try:
            start, end, step = (float(given[name]) for name in ("start", "end", "step"))
            expr = parse(given["query"])
        except (KeyError, ValueError) as error:
            return _bad(f"invalid parameter: {error}; start, end and step are seconds")
        except QueryError as error:
            return _bad(str(error))
        if step <= 0 or end < start or (end - start) / step > MAX_POINTS:
            return _bad(f"start, end and step must yield 1 to {MAX_POINTS} points")
        series: dict[str, dict[str, Any]] = {}
        for index in range(int((end - start) / step) + 1):
            time_s = start + index * step
            try:
                value = evaluate(expr, store, time_s)
            except QueryError as error:
                return _bad(str(error))
            for labels, number in [({}, value)] if isinstance(value, float) else [(e.labels, e.value) for e in value]:
                key = repr(sorted(labels.items()))
                entry = series.setdefault(key, {"metric": dict(labels), "values": []})
                entry["values"].append([time_s, _number(number)])
        return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": list(series.values())}})

    async def target_list(request: Request) -> Response:
        return JSONResponse({"status": "success", "data": {"activeTargets": targets()}})

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def exposition(request: Request) -> Response:
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/api/v1/query", instant, methods=["GET", "POST"]),
            Route("/api/v1/query_range", ranged, methods=["GET", "POST"]),
            Route("/api/v1/targets", target_list),
            Route("/-/healthy", healthy),
            Route("/metrics", exposition),
        ]
    )


def _instant_data(value: Value, time_s: float) -> dict[str, Any]:
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [time_s, _number(value)]}
    return {
        "resultType": "vector",
        "result": [{"metric": dict(e.labels), "value": [time_s, _number(e.value)]} for e in value],
    }


def _number(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def _bad(message: str) -> Response:
    return JSONResponse({"status": "error", "errorType": "bad_data", "error": message}, status_code=400)
