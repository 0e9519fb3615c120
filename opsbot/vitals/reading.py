"""A figure as people read it: how much now, how much a while ago, where it goes, and whether that is good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opsbot.capacity.text import ahead, percent, quantity
from opsbot.vitals.figure import Figure
from opsbot.vitals.vitals import Vitals
from opsbot.yamlfile import format_duration

Trend = Literal["rising", "falling", "steady"]
Mood = Literal["good", "bad", "even"]
ARROWS: dict[Trend, str] = {"rising": "↗", "falling": "↘", "steady": "→"}
STEADY_SHARE = 0.1
"""Of the value before; a smaller change is none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of one cluster.

    Args:
        value, before: now and *since_s* ago; None where the source does not say it.
        trend: None where one of them is not known.
        mood: whether the movement is good or bad; even while it is steady, or is neither.
        is_tight: whether the level is bad by itself, wherever it goes.
        text: the value as people say it, such as `93%`, `31 of 32`, `1.9 s`; `not known` without one.
        before_text: the same of the value before.
    """

    figure: Figure
    value: float | None
    before: float | None
    since_s: float
    trend: Trend | None
    mood: Mood
    is_tight: bool
    text: str
    before_text: str

    @property
    def key(self) -> str:
        """The figure's."""
        return self.figure.key

    @property
    def name(self) -> str:
        """The figure's, for people."""
        return self.figure.name

    @property
    def unit(self) -> str:
        """The figure's."""
        return self.figure.unit

    @property
    def arrow(self) -> str:
        """`↗`, `↘`, `→`; empty where the trend is not known. Never the only carrier of meaning: see `spoken`."""
        return ARROWS[self.trend] if self.trend else ""

    @property
    def line(self) -> str:
        """`93% ↗ rising, 71% 10m ago`, `14 → steady`."""
        said = " ".join(filter(None, (self.text, self.arrow, self.trend)))
        is_moving = self.trend in ("rising", "falling")
        return f"{said}, {self.before_text} {format_duration(self.since_s)} ago" if is_moving else said

    @property
    def spoken(self) -> str:
        """The same in words alone, with its name: `KV cache used 93%, rising from 71% 10 minutes ago`."""
        said = f"{self.name} {self.text}"
        if self.trend is None:
            return said
        number, unit = ahead(self.since_s)
        since = f"{self.before_text} {number:.0f} {unit} ago"
        return f"{said}, steady" if self.trend == "steady" else f"{said}, {self.trend} from {since}"


def readings_of(
    figures: Iterable[Figure], now: Vitals | None, before: Vitals | None, since_s: float
) -> tuple[Reading, ...]:
    """What *figures* say of one cluster, from its vitals now and *since_s* before."""
    return tuple(reading_of(figure, now, before, since_s) for figure in figures)


def reading_of(figure: Figure, now: Vitals | None, before: Vitals | None, since_s: float) -> Reading:
    """One figure's reading; vitals that are None know nothing."""
    value, earlier = _number(figure.attribute, now), _number(figure.attribute, before)
    trend = trend_of(figure, value, earlier)
    mood: Mood = "even"
    if trend in ("rising", "falling") and figure.high_is != "neither":
        mood = "bad" if (trend == "rising") == (figure.high_is == "bad") else "good"
    is_tight = value is not None and figure.tight is not None and value >= figure.tight
    return Reading(
        figure, value, earlier, since_s, trend, mood, is_tight,
        shown(figure, value, _number(figure.limit, now)), shown(figure, earlier, _number(figure.limit, before)),
    )  # fmt: skip


def trend_of(figure: Figure, value: float | None, before: float | None) -> Trend | None:
    """Where it goes; a change that is small for the figure, or beside what it was, is none."""
    if value is None or before is None:
        return None
    change = value - before
    if abs(change) < max(figure.least, STEADY_SHARE * abs(before)):
        return "steady"
    return "rising" if change > 0 else "falling"


def shown(figure: Figure, value: float | None, limit: float | None = None) -> str:
    """A value with its unit."""
    if value is None:
        return "not known"
    match figure.unit:
        case "share":
            return percent(value)
        case "seconds":
            return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
        case "count":
            return f"{value:.0f} of {limit:.0f}" if limit is not None else f"{value:.0f}"
        case "per second":
            return f"{quantity(round(value, 2))} a second"
        case "per minute":
            return f"{quantity(round(value, 2))} a minute"


def _number(attribute: str, vitals: Vitals | None) -> float | None:
    found = getattr(vitals, attribute) if vitals is not None and attribute else None
    return found if isinstance(found, int | float) else None
