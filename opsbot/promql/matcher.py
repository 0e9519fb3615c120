"""Label matchers, and the test that a list of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opsbot.promql.pattern import compiled


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher: `=`, `!=`, `=~` or `!~`; regular expressions are anchored, as in Prometheus."""

    name: str
    operator: str
    value: str

    def compiled(self) -> Callable[[str], bool]:
        """A test of one label value; an absent label is the empty text."""
        match self.operator:
            case "=":
                return lambda value: value == self.value
            case "!=":
                return lambda value: value != self.value
            case "=~":
                pattern = compiled(self.value)
                return lambda value: pattern.fullmatch(value) is not None
            case _:
                pattern = compiled(self.value)
                return lambda value: pattern.fullmatch(value) is None


Matchers = tuple[Matcher, ...]
