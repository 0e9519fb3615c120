"""Draws rows of bars: what each cluster carries of what it can, and where the traffic comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opsbot.capacity.text import percent, quantity
from opsbot.chart.picture import Theme
from opsbot.chart.style import LARGE, PALETTES, PLAIN, SMALL, WIDTH_IN, drawable, new_figure, png, write
from opsbot.vitals.day import Load

ROW_IN, HEAD_IN, FOOT_IN = 0.28, 0.66, 0.1
MOST_ROWS = 30
NAME_CHARS = 17
NAME_IN, WORDS_IN = 1.45, 1.6
TIGHT = 0.85
OTHERS = "others"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: how long its bar is, of how much (the faint part), and the two words behind it."""

    name: str
    value: float
    whole: float
    amount: str
    share: str = ""
    is_bad: bool = False


def draw_bars(bars: Sequence[Bar], title: str, note: str, theme: Theme) -> bytes:
    """A PNG of at least one row; the last says how many were left out."""
    palette = PALETTES[theme]
    height = HEAD_IN + ROW_IN * len(bars) + FOOT_IN
    figure = new_figure(height, palette)
    write(figure, 0.02, 1 - 0.3 / height, drawable(title, 46), size=LARGE, weight="bold", color=palette.ink)
    write(figure, 0.02, 1 - 0.52 / height, drawable(note), size=SMALL, color=palette.soft)
    wide = WIDTH_IN - NAME_IN - WORDS_IN
    axes = figure.add_axes((NAME_IN / WIDTH_IN, FOOT_IN / height, wide / WIDTH_IN, ROW_IN * len(bars) / height))
    axes.axis("off")
    most = max(max(one.value, one.whole) for one in bars) or 1.0
    axes.set_xlim(0, most)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    rows = range(len(bars))
    axes.barh(rows, [one.whole for one in bars], height=0.62, color=palette.grid)
    colours = [palette.bad if one.is_bad else palette.line for one in bars]
    axes.barh(rows, [one.value for one in bars], height=0.62, color=colours)
    for row, one in enumerate(bars):
        y = 1 - (HEAD_IN + ROW_IN * (row + 0.5)) / height
        colour = palette.bad if one.is_bad else palette.ink
        write(figure, 0.02, y, drawable(one.name, NAME_CHARS), size=PLAIN, color=palette.ink, va="center")
        weight = "bold" if one.is_bad else "normal"
        for x_in, word in ((WIDTH_IN - 0.72, one.amount), (WIDTH_IN - 0.12, one.share)):
            write(figure, x_in / WIDTH_IN, y, word, size=PLAIN, color=colour, va="center", ha="right", weight=weight)
    return png(figure)


def bars_of_clusters(loads: Sequence[Load]) -> tuple[Bar, ...]:
    """The fullest first; past MOST_ROWS, the rest together."""
    shown, rest = _cut(loads)
    bars = [
        Bar(
            one.cluster, one.tokens_per_min or 0.0, one.capacity or 0.0, quantity(one.tokens_per_min),
            "" if one.used_ratio is None else percent(one.used_ratio), (one.used_ratio or 0.0) >= TIGHT,
        )
        for one in shown
    ]  # fmt: skip
    if rest:
        carried = sum(one.tokens_per_min or 0.0 for one in rest)
        bars.append(Bar(f"{len(rest)} {OTHERS}", carried, 0.0, quantity(carried)))
    return tuple(bars)


def bars_of_countries(counts: Mapping[str, float]) -> tuple[Bar, ...]:
    """The largest first; past MOST_ROWS, and what had no country, the rest together."""
    whole = sum(counts.values())
    named = sorted(
        ((name, value) for name, value in counts.items() if name not in ("other", OTHERS)), key=lambda one: -one[1]
    )
    shown, rest = _cut(named)
    rows = [*shown]
    others = sum(value for _, value in rest) + counts.get("other", 0.0) + counts.get(OTHERS, 0.0)
    if others:
        rows.append((OTHERS, others))
    return tuple(
        Bar(name, value, 0.0, quantity(value), percent(value / whole if whole else 0.0)) for name, value in rows
    )


def _cut(rows: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    return (rows, ()) if len(rows) <= MOST_ROWS else (rows[: MOST_ROWS - 1], rows[MOST_ROWS - 1 :])


def spoken(bars: Sequence[Bar]) -> str:
    """The first of them in words."""
    return "; ".join(f"{one.name} {', '.join(filter(None, (one.amount, one.share)))}" for one in bars[:12])
