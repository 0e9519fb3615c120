"""What a condition's answer means, whoever is asked.

An empty answer is not a "no". `check` tells three cases apart: the condition holds, it fails, or there is no data to
say.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import promql_parser as tree

from opsbot.promql.binary import COMPARISON, SET_OPERATORS
from opsbot.promql.syntax import QueryError, parse, walk

Verdict = Literal["holds", "fails", "unknown"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


class Asking(ABC):
    """Whoever can answer a query, and so whether a condition holds."""

    @abstractmethod
    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now; a number is one element without labels. Raises: SourceError."""

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
