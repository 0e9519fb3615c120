"""What a runbook may ask of the metrics: does a condition hold, and how much is a value.

The metrics source fulfils it. "unknown" is an answer of its own: missing data is neither success nor failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel

from opsbot.promql.syntax import QueryError, parse

Verdict = Literal["holds", "fails", "unknown"]


class Prober(Protocol):
    """A PromQL source, asked from the event loop."""

    async def check(self, expr: str, /) -> Verdict:
        """Whether *expr* holds now; "unknown" when an operand is absent.

        Raises: SourceError if the source does not answer.
        """
        ...

    async def value(self, expr: str, /) -> float | None:
        """The single number that *expr* yields; None when it yields nothing.

        Raises: SourceError if the source does not answer, or with several series.
        """
        ...


def _checked(text: str) -> str:
    try:
        parse(text)
    except QueryError as error:
        raise ValueError(str(error)) from error
    return text


@dataclass(frozen=True, slots=True)
class IsPromql:
    """Marks a field whose `${{ }}` are quoted for PromQL."""


Promql = Annotated[str, AfterValidator(_checked), IsPromql()]
"""A field that holds PromQL, parsed when the file is loaded."""


def promql_fields(arguments: type[BaseModel]) -> frozenset[str]:
    """The names, as they are written, of the fields of *arguments* that hold PromQL."""
    return frozenset(
        one.alias or name
        for name, one in arguments.model_fields.items()
        if any(isinstance(mark, IsPromql) for mark in one.metadata)
    )
