"""What is told: plain words, whole without their picture, and told once for each key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from opsbot.chart.picture import Picture

ReportKind = Literal["post", "peak", "traffic"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: a name, and two short words behind it."""

    name: str
    amount: str
    share: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One post.

    Args:
        key: `<kind>:<slot>`, so that a restart or a second replica tells it once.
        slot: the time that it is told for, seconds since the epoch.
        title: one line, what a notification shows.
        lines: plain sentences, the first one matters most.
        rows: a table under them.
        columns: what its two words behind the name are.
        notes: what was left out, missed, or not known.
        facts: numbers that later reports compare with.
    """

    key: str
    kind: ReportKind
    slot: float
    made_at: float
    title: str
    lines: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    columns: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)
    picture: Picture | None = None
    file_id: str | None = None

    @property
    def file_name(self) -> str:
        """Of the picture's file: it is found again by it."""
        return f"opsbot-{self.key.replace(':', '-')}.png"


def key_of(kind: ReportKind, slot: float) -> str:
    """The key of the report of a slot."""
    return f"{kind}:{round(slot)}"
