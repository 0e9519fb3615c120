"""The picture of an incident: what its alert's rule looks at, over time, with what happened pinned on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opsbot.capacity.chart_style import INK, LIMIT, LOAD, date_of, dates_of, draw_marks, new_figure, png, style_time
from opsbot.capacity.mark import Mark

WIDTH_IN, HEIGHT_IN = 9.0, 3.8
MOST_LINES = 12
SPOKEN = {
    "incident.opened": "opened",
    "incident.acknowledged": "acknowledged",
    "incident.mitigated": "mitigated",
    "incident.resolved": "resolved",
    "incident.held": "held open",
    "step.acted": "acted",
}
"""Kinds of timeline entries that stand on the picture."""

Points = Sequence[tuple[float, float]]
_LEVEL = re.compile(r"^(?P<load>.+?)\s*(?P<operator>>=?|<=?)\s*(?P<level>-?\d+(?:\.\d+)?)$", re.DOTALL)


def load_and_level(expr: str) -> tuple[str, float | None]:
    """A rule's expression without the level that it is compared with, and that level, where it is so simple."""
    found = _LEVEL.match(expr.strip())
    if found is None or re.search(r"\b(and|or|unless)\b|[<>]", found["load"]):
        return expr, None
    return found["load"], float(found["level"])


def marks_of(timeline: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """What stands on the picture of a timeline; each kind once, at its first time."""
    found: dict[str, Mark] = {}
    for entry in timeline:
        if (word := SPOKEN.get(entry["kind"])) is not None:
            found.setdefault(word, Mark(entry["at"], word))
    return list(found.values())


def draw(
    title: str,
    series: Sequence[tuple[str, Points]],
    level: float | None,
    marks: Sequence[Mark],
    span: tuple[float, float],
) -> bytes:
    """A PNG.

    Args:
        series: (name, points) of each line; the first MOST_LINES are drawn.
        level: where the rule draws its line, if it has a plain one.
        span: first and last second, since the epoch.
    """
    figure = new_figure(WIDTH_IN, HEIGHT_IN)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    for index, (name, points) in enumerate(series[:MOST_LINES]):
        colour = LOAD if len(series) == 1 else f"C{index % 10}"
        axes.plot(dates_of([at for at, _ in points]), [value for _, value in points], color=colour, lw=1.3, label=name)
    if level is not None:
        axes.axhline(level, color=LIMIT, linewidth=1.0, linestyle="--")
        axes.annotate(
            f"fires beyond {level:g}",
            (date_of(span[0]), level),
            xytext=(4, 2),
            textcoords="offset points",
            fontsize=8.5,
            color=LIMIT,
        )
    if len(series) > 1:
        axes.legend(fontsize=8, loc="upper left", frameon=False)
    draw_marks(axes, [], *span, marks)
    style_time(axes, *span, "UTC")
    low, high = axes.get_ylim()
    # Room above the lines for the marks' words.
    axes.set_ylim(low, high + 0.35 * (high - low))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    axes.tick_params(labelsize=9, colors=INK)
    return png(figure)
