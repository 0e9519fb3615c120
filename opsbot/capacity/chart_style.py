"""What all capacity charts share: colours, the axis of time, and attention marks on it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.capacity.forecast import DAY_S
from opsbot.capacity.mark import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LOAD, LIMIT, MARK = "#333333", "#1f5fa8", "#b3261e", "#7a5195"
DPI = 110
MOST_MARKS = 8
"""The latest ones; more hide the lines."""
LEAST_SPAN_S = 60.0
"""A single reading stands in the middle of so much."""


def date_of(at_s: float) -> float:
    """Days since the epoch, as matplotlib counts dates."""
    return at_s / DAY_S


def dates_of(times: Sequence[float]) -> list[float]:
    """The same of several times."""
    return [date_of(at_s) for at_s in times]


def style_time(axes: Axes, begin_s: float, end_s: float, note: str) -> None:
    """The axis of time from *begin_s* to *end_s*, with *note* below it."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    span_s = max(LEAST_SPAN_S, end_s - begin_s)
    beside_s = (span_s - (end_s - begin_s)) / 2
    pattern = "%H:%M" if span_s < DAY_S else "%d %b\n%H:%M" if span_s < 4 * DAY_S else "%d %b"
    if span_s < 600:
        pattern = "%H:%M:%S"
    axes.xaxis_date()
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter(pattern))  # type: ignore[no-untyped-call]
    axes.set_xlim(date_of(begin_s - beside_s), date_of(end_s + beside_s))
    axes.set_xlabel(note, fontsize=8.5, color=INK)


def draw_marks(upper: Axes, others: Sequence[Axes], begin_s: float, end_s: float, marks: Sequence[Mark]) -> None:
    """The marks between *begin_s* and *end_s* as lines on all axes, with their words on *upper*."""
    shown = [mark for mark in marks if begin_s <= mark.at_s <= end_s][-MOST_MARKS:]
    middle = (begin_s + end_s) / 2
    for index, mark in enumerate(shown):
        at = date_of(mark.at_s)
        for axes in (upper, *others):
            axes.axvline(at, color=MARK, linewidth=1.0, linestyle=":")
        # Past the middle, words stand on the left of their line; neighbours stand at different heights.
        is_left = mark.at_s <= middle
        upper.annotate(
            mark.text, (at, 0.99 - 0.09 * (index % 3)), xycoords=("data", "axes fraction"),
            xytext=(4 if is_left else -4, 0), textcoords="offset points", ha="left" if is_left else "right",
            va="top", fontsize=8.5, color=MARK,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure that is drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The picture."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
