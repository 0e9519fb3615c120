"""Asks a Prometheus API: a real server's, or watch's own, which speaks the same.

An empty answer is not a "no". `check` tells three cases apart: the condition holds, it fails, or there is no data to
say.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import promql_parser as tree
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from opsbot.errors import SourceError
from opsbot.promql.binary import COMPARISON, SET_OPERATORS
from opsbot.promql.syntax import QueryError, parse, walk
from opsbot.source.servers import QueryRefused, ServerAddress

TIMEOUT_S = 2.0
RANGE_TIMEOUT_S = 30.0
"""A range is many queries in one."""

Verdict = Literal["holds", "fails", "unknown"]

_QUERY_FAULT = re.compile(r"HTTP Status Code (?:400|422)")
_SERVER_FAULT = re.compile(r"HTTP Status Code (?:5\d\d|429)")


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """One series of a range's answer: (seconds since the epoch, value), oldest first; steps without a value are left
    out.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class PrometheusSource:
    """Queries one Prometheus API. Every method raises SourceError when it does not answer."""

    def __init__(self, server: str | ServerAddress) -> None:
        """Args: server: where it is, or its base URL if it wants no token and no certificates of its own."""
        address = server if isinstance(server, ServerAddress) else ServerAddress(server, timeout_s=TIMEOUT_S)
        self._url = address.base_url
        # Its default is to repeat for six seconds when nobody listens; the caller decides about repeating.
        self._api = PrometheusConnect(
            url=self._url,
            headers=dict(address.headers),
            disable_ssl=address.is_insecure,
            retry=Retry(total=0),
            timeout=address.timeout_s,
        )
        self._api._session.trust_env = False
        if address.ca_file is not None and not address.is_insecure:
            self._api._session.verify = str(address.ca_file)

    def close(self) -> None:
        """End its connections."""
        self._api.close()

    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now; a number is one element without labels."""
        return await asyncio.to_thread(self._query, text)

    async def query_at(self, text: str, at_s: float) -> tuple[Sample, ...]:
        """The elements that *text* yielded at *at_s*, seconds since the epoch."""
        return await asyncio.to_thread(self._query, text, {"time": f"{at_s:.3f}"})

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> tuple[SampleSeries, ...]:
        """The series that *text* yields at each step from *start_s* to *end_s*, both whole seconds."""
        return await asyncio.to_thread(self._query_range, text, start_s, end_s, step_s)

    async def value(self, text: str) -> float | None:
        """The only value that *text* yields; None if it yields none, or none that is a number.

        Raises: SourceError if it yields several.
        """
        found = await self.query(text)
        if len(found) > 1:
            raise QueryError(f"`{text}` yields {len(found)} values where one is needed; aggregate it")
        return found[0].value if found and not math.isnan(found[0].value) else None

    async def check(self, text: str) -> Verdict:
        """Whether the condition *text* holds: it yields something, and no 0 where it is a `bool` comparison.

        It fails only if every operand has data to say so.
        """
        expr = parse(text)
        found = await self.query(text)
        if any(math.isnan(sample.value) for sample in found):
            return "unknown"
        if found and not (_is_bool(expr) and any(sample.value == 0 for sample in found)):
            return "holds"
        return "fails" if await self._has_data(expr) else "unknown"

    async def _has_data(self, expr: tree.Expr) -> bool:
        """Whether what *expr* compares is there: the parts without comparisons are asked for themselves."""
        match expr:
            case tree.ParenExpr() | tree.UnaryExpr():
                return await self._has_data(expr.expr)
            case tree.BinaryExpr() if str(expr.op) == "or":
                return await self._has_data(expr.lhs) or await self._has_data(expr.rhs)
            case tree.BinaryExpr() if str(expr.op) == "unless":
                return await self._has_data(expr.lhs)
            case tree.BinaryExpr() if _is_condition(expr):
                return await self._has_data(expr.lhs) and await self._has_data(expr.rhs)
            case tree.AggregateExpr() if _is_condition(expr):
                return await self._has_data(expr.expr)
            case tree.Call() if expr.func.name in ("absent", "absent_over_time"):
                return True
            case tree.Call() if _is_condition(expr):
                return all([await self._has_data(argument) for argument in expr.args])
            case tree.NumberLiteral() | tree.StringLiteral():
                return True
        found = await self.query(expr.prettify())
        return any(not math.isnan(sample.value) for sample in found)

    def _query(self, text: str, parameters: Mapping[str, str] | None = None) -> tuple[Sample, ...]:
        found = self._asked(text, lambda: self._api.custom_query(text, params=dict(parameters or {})))
        try:
            if found and not isinstance(found[0], dict):
                return (Sample({}, float(found[1])),)
            return tuple(Sample(element["metric"], float(element["value"][1])) for element in found)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SourceError(f"`{text}` yields no instant values: {error!r}") from error

    def _query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> tuple[SampleSeries, ...]:
        start, end = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC)
        found = self._asked(
            text,
            lambda: self._api.custom_query_range(text, start, end, f"{step_s:g}", timeout=RANGE_TIMEOUT_S),
        )
        try:
            return tuple(
                SampleSeries(
                    element["metric"], tuple((float(at), float(value)) for at, value in element.get("values", ()))
                )
                for element in found
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"`{text}` yields no series over time: {error!r}") from error

    def _asked(self, text: str, ask: Callable[[], Any]) -> Any:
        """What *ask* answers, its errors in our words."""
        try:
            return ask()
        except PrometheusApiClientException as error:
            if _QUERY_FAULT.search(str(error)):
                raise QueryRefused(f"{self._url} refused `{text}`: {error}") from error
            is_fault = _SERVER_FAULT.search(str(error)) is not None
            raise SourceError(f"{self._url} refused `{text}`: {error}", retryable=is_fault) from error
        except requests.RequestException as error:
            raise SourceError(
                f"the metrics source {self._url} does not answer: {type(error).__name__}", retryable=True
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self._url} answers, but not as Prometheus does: {error!r}") from error


def _is_condition(expr: tree.Expr) -> bool:
    """Whether anything in *expr* drops elements or is about their absence."""
    dropping = SET_OPERATORS | COMPARISON.keys()
    return any(
        (isinstance(node, tree.BinaryExpr) and str(node.op) in dropping)
        or (isinstance(node, tree.Call) and node.func.name.startswith("absent"))
        for node in walk(expr)
    )


def _is_bool(expr: tree.Expr) -> bool:
    while isinstance(expr, tree.ParenExpr):
        expr = expr.expr
    modifier = expr.modifier if isinstance(expr, tree.BinaryExpr) else None
    return modifier is not None and bool(modifier.return_bool)
