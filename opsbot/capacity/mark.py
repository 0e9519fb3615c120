"""Attention marks: a launch, a post, a load test. Pinned on charts, so that a bend has its reason beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsbot.errors import ConfigError, OpsbotError

MAX_TEXT = 80
"""Longer does not fit on a chart."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that drew attention at *at_s*, seconds since the epoch."""

    at_s: float
    text: str

    def to_entry(self) -> dict[str, Any]:
        """As it is kept."""
        return {"at_s": self.at_s, "text": self.text}


def make_mark(text: str, at_s: float) -> Mark:
    """A mark.

    Raises: ConfigError if the text is empty or too long.
    """
    one_line = " ".join(text.split())
    if not one_line or len(one_line) > MAX_TEXT:
        raise ConfigError(f"a mark needs 1 to {MAX_TEXT} characters, not {len(one_line)}")
    return Mark(at_s, one_line)


def parse_marks(entries: Sequence[Mapping[str, Any]], shown: str) -> tuple[Mark, ...]:
    """Kept marks, oldest first; *shown* names their file.

    Raises: ConfigError.
    """
    marks = []
    for entry in entries:
        at_s, text = entry.get("at_s"), entry.get("text")
        if not isinstance(at_s, int | float) or not math.isfinite(at_s) or not isinstance(text, str):
            raise ConfigError(f"{shown}: a mark needs `at_s` in seconds and `text`; correct or delete its line")
        marks.append(Mark(float(at_s), text))
    return tuple(sorted(marks, key=lambda mark: mark.at_s))


def parse_time(text: str) -> float:
    """Seconds since the epoch of `2026-11-24T10:00` (UTC unless it names an offset).

    Raises: OpsbotError.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise OpsbotError(
            f"a time such as 2026-11-24T10:00 or 2026-11-24T10:00+01:00 is needed, not {text!r}"
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
