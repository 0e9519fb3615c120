"""Answers queries in the format of Prometheus's HTTP API, so that core asks us as it would ask Prometheus.

It only reads, and takes queries as text; what they may cost is bounded here and in the parser.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

import promql_parser as tree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsbot import __version__
from opsbot.clock import Clock, from_rfc3339
from opsbot.errors import SourceError
from opsbot.promql.evaluate import evaluate
from opsbot.promql.labelset import EMPTY, LabelSet
from opsbot.promql.syntax import QueryError, num_evaluations, parse
from opsbot.promql.vector import Value
from opsbot.watch.past import Past
from opsbot.yamlfile import parse_duration

MAX_POINTS = 11_000
"""Prometheus's own limit of points in one range query."""
MAX_BODY_BYTES = 64 << 10
ONE_GO_S = 0.05
"""After so long in a range query, scraping gets its turn."""
MAX_EVALUATIONS = 100_000
"""Of one range query in all."""


class WatchView(Protocol):
    """What the watcher shows of itself."""

    def exposition(self) -> str:
        """Its own metrics, text 0.0.4."""
        ...

    def target_list(self) -> Sequence[Mapping[str, object]]:
        """Its targets, as Prometheus lists them."""
        ...

    def source_list(self) -> Sequence[Mapping[str, object]]:
        """The Prometheus servers and the lists of targets, and how they fare."""
        ...

    def rule_groups(self) -> Sequence[Mapping[str, object]]:
        """Its rules and their alerts, as Prometheus lists them."""
        ...


class _BadData(ValueError):
    """A parameter is missing or wrong."""


class QueryApi:
    """The read-only routes of the watch role."""

    def __init__(self, past: Past, clock: Clock, view: WatchView, health: Sequence[Route] = ()) -> None:
        self._past = past
        self._clock = clock
        self._view = view
        both = ["GET", "POST"]
        self.app = Starlette(
            routes=[
                Route("/api/v1/query", self.instant, methods=both),
                Route("/api/v1/query_range", self.ranged, methods=both),
                Route("/api/v1/status/buildinfo", self.build_info),
                Route("/api/v1/targets", self.targets),
                Route("/api/v1/sources", self.sources),
                Route("/api/v1/rules", self.rules),
                Route("/-/healthy", self.healthy),
                *health,
                Route("/metrics", self.metrics),
            ],
            exception_handlers={_BadData: _bad_data, QueryError: _not_evaluated, SourceError: _unavailable},
        )

    async def instant(self, request: Request) -> Response:
        """A query at one instant."""
        given = await _arguments(request)
        expr = _expression(given)
        time_s = _time(given, "time") if given.get("time") else self._clock.now()
        async with self._past.source(expr, (time_s, time_s), self._clock.now()) as source:
            return _success(_instant_data(evaluate(expr, source, time_s), time_s))

    async def ranged(self, request: Request) -> Response:
        """A query at each step between two instants."""
        given = await _arguments(request)
        expr = _expression(given)
        start, end, step = _time(given, "start"), _time(given, "end"), _step(given)
        if step <= 0 or end < start or (end - start) / step > MAX_POINTS:
            raise _BadData(f"start, end and step must yield 1 to {MAX_POINTS} points")
        each = 1 + num_evaluations(expr)
        num_points = math.floor((end - start) / step) + 1
        if num_points * each > MAX_EVALUATIONS:
            raise _BadData(
                f"{num_points} points of {each} evaluations are more than {MAX_EVALUATIONS}; take a longer step"
            )
        series: dict[LabelSet, dict[str, Any]] = {}
        async with self._past.source(expr, (start, end), self._clock.now()) as source:
            began = self._clock.monotonic()
            for index in range(num_points):
                time_s = start + index * step
                value = evaluate(expr, source, time_s, (start, end))
                for labels, number in [(EMPTY, value)] if isinstance(value, float) else value:
                    entry = series.setdefault(labels, {"metric": dict(labels), "values": []})
                    entry["values"].append([time_s, _number(number)])
                if self._clock.monotonic() - began > ONE_GO_S:
                    await asyncio.sleep(0)
                    began = self._clock.monotonic()
        return _success({"resultType": "matrix", "result": list(series.values())})

    async def build_info(self, request: Request) -> Response:
        """What answers here."""
        return _success({"application": "opsbot watch", "version": __version__})

    async def targets(self, request: Request) -> Response:
        """What is scraped, and how it fares."""
        return _success({"activeTargets": self._view.target_list(), "droppedTargets": []})

    async def sources(self, request: Request) -> Response:
        """Where rules are asked and where targets come from, and how that fares."""
        return _success({"sources": self._view.source_list()})

    async def rules(self, request: Request) -> Response:
        """The rules in force and their alerts."""
        return _success({"groups": self._view.rule_groups()})

    async def healthy(self, request: Request) -> Response:
        """Whether the role answers."""
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        """The role's own metrics."""
        return PlainTextResponse(self._view.exposition(), media_type="text/plain; version=0.0.4")


async def _arguments(request: Request) -> Mapping[str, str]:
    found = dict(request.query_params.items())
    if request.method == "POST":
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _BadData(f"the body is larger than {MAX_BODY_BYTES} bytes")
        found |= dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))
    return found


def _expression(given: Mapping[str, str]) -> tree.Expr:
    try:
        return parse(given.get("query", ""))
    except QueryError as error:
        raise _BadData(f'invalid parameter "query": {error}') from error


def _time(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "")
    try:
        value = _float_or(text, from_rfc3339)
    except ValueError as error:
        raise _BadData(f'invalid parameter "{name}": {text!r} is no time in seconds or RFC 3339') from error
    return value


def _step(given: Mapping[str, str]) -> float:
    text = given.get("step", "")
    try:
        return _float_or(text, parse_duration)
    except ValueError as error:
        raise _BadData(f'invalid parameter "step": {text!r} is no duration') from error


def _float_or(text: str, parse_other: Callable[[str], float]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = parse_other(text)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _success(data: object) -> Response:
    return JSONResponse({"status": "success", "data": data})


def _instant_data(value: Value, time_s: float) -> Mapping[str, object]:
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [time_s, _number(value)]}
    return {
        "resultType": "vector",
        "result": [{"metric": dict(e.labels), "value": [time_s, _number(e.value)]} for e in value],
    }


def _number(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


async def _bad_data(request: Request, error: Exception) -> Response:
    return JSONResponse({"status": "error", "errorType": "bad_data", "error": str(error)}, status_code=400)


async def _not_evaluated(request: Request, error: Exception) -> Response:
    return JSONResponse({"status": "error", "errorType": "execution", "error": str(error)}, status_code=422)


async def _unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"status": "error", "errorType": "unavailable", "error": str(error)}, status_code=503)
