"""Charts as PNG: tokens a minute with the band ahead, and the used share of each bound, marks pinned on both.

Drawn to be read at a glance in a chat: one line per fact, words on the lines instead of a legend where they fit.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.capacity.forecast import DAY_S, Forecast
from opsbot.capacity.lognormal import LogNormal
from opsbot.capacity.mark import Mark
from opsbot.capacity.text import percent, quantity
from opsbot.capacity.usage import Bound, Cluster

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, DPI = 9.0, 5.6, 110
INK, LOAD, LIMIT, MARK = "#333333", "#1f5fa8", "#b3261e", "#7a5195"
BOUND_COLOURS: dict[Bound, str] = {"KV": "#1f5fa8", "batch": "#c77700", "bandwidth": "#2e7d4f", "compute": "#7a7a7a"}
OFF_CHART = 2.5
"""A capacity so many times above the load is said instead of drawn."""
MOST_MARKS = 8
"""The latest ones; more hide the lines."""


def draw(cluster: Cluster, made: Forecast | None, marks: Sequence[Mark], title: str) -> bytes:
    """A PNG of *cluster*, with *title* (the trend's sentence) under its name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    figure.suptitle(f"{cluster.name}, {cluster.model}", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    upper.set_title(title, loc="left", fontsize=10, color=INK)
    _draw_load(upper, cluster, made)
    _draw_shares(lower, cluster, made)
    _draw_marks(upper, lower, cluster, made, marks)
    _style_time(lower, cluster, made)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
        axes.tick_params(labelsize=9, colors=INK)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_load(axes: Axes, cluster: Cluster, made: Forecast | None) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.plot(_dates(cluster.tokens.times), list(cluster.tokens.values), color=LOAD, linewidth=1.4)
    top = max((value for _, value in cluster.tokens.known()), default=1.0)
    if made is not None:
        times = _dates(made.times)
        axes.fill_between(
            times, [one.low for one in made.values], [one.high for one in made.values], color=LOAD, alpha=0.18, lw=0
        )
        axes.plot(times, [one.median for one in made.values], color=LOAD, linewidth=1.2, linestyle="--")
        # A band that opens wide must not press what has happened into a flat line.
        top = max(top, min(max(one.high for one in made.values), 3 * top))
    capacity = cluster.capacity
    if capacity is not None:
        _draw_capacity(axes, capacity, top, cluster.bound)
        top = max(top, capacity.median) if capacity.median <= OFF_CHART * top else top
    # Room above the lines for the marks' words.
    axes.set_ylim(0, top * 1.35 or 1)
    axes.set_ylabel("tokens a minute", fontsize=9, color=INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))


def _draw_capacity(axes: Axes, capacity: LogNormal, top: float, bound: Bound | None) -> None:
    label = f"capacity by {bound}: {quantity(capacity.median)}"
    if capacity.median > OFF_CHART * top:
        axes.annotate(
            f"{label}, above this chart",
            (0.99, 0.02),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            fontsize=9,
            color=LIMIT,
        )
        return
    axes.axhline(capacity.median, color=LIMIT, linewidth=1.4)
    axes.annotate(
        label, (0.01, capacity.median), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", fontsize=9, color=LIMIT,
    )  # fmt: skip


def _draw_shares(axes: Axes, cluster: Cluster, made: Forecast | None) -> None:
    highest = 0.0
    for bound, readings in cluster.shares.items():
        values = [100 * value for value in readings.values]
        is_chosen = bound == cluster.bound
        now = cluster.shares_now.get(bound)
        label = f"{bound} {percent(now)}" if now is not None else bound
        axes.plot(
            _dates(readings.times), values, label=label, color=BOUND_COLOURS[bound],
            linewidth=1.8 if is_chosen else 1.0, alpha=1.0 if is_chosen else 0.7,
        )  # fmt: skip
        highest = max([highest, *(value for value in values if not math.isnan(value))])
    capacity = cluster.capacity
    if made is not None and capacity is not None and cluster.bound is not None:
        ratios = [value / capacity for value in made.values]
        axes.fill_between(
            _dates(made.times), [100 * one.low for one in ratios], [100 * one.high for one in ratios],
            color=BOUND_COLOURS[cluster.bound], alpha=0.18, lw=0,
        )  # fmt: skip
    axes.axhline(100, color=LIMIT, linewidth=1.2)
    axes.set_ylim(0, max(112.0, min(highest * 1.1, 200.0)))
    axes.set_ylabel("% of capacity", fontsize=9, color=INK)
    if cluster.shares:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=9, frameon=False, borderaxespad=0.1)


def _draw_marks(upper: Axes, lower: Axes, cluster: Cluster, made: Forecast | None, marks: Sequence[Mark]) -> None:
    end_s = made.times[-1] if made is not None else cluster.tokens.end_s
    shown = [mark for mark in marks if _begin_s(cluster) <= mark.at_s <= end_s][-MOST_MARKS:]
    middle = (_begin_s(cluster) + end_s) / 2
    for index, mark in enumerate(shown):
        at = _date(mark.at_s)
        for axes in (upper, lower):
            axes.axvline(at, color=MARK, linewidth=1.0, linestyle=":")
        # Past the middle, words stand on the left of their line; neighbours stand at different heights.
        is_left = mark.at_s <= middle
        upper.annotate(
            mark.text, (at, 0.99 - 0.09 * (index % 3)), xycoords=("data", "axes fraction"),
            xytext=(4 if is_left else -4, 0), textcoords="offset points", ha="left" if is_left else "right",
            va="top", fontsize=8.5, color=MARK,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip
    if made is not None:
        for axes in (upper, lower):
            axes.axvline(_date(cluster.tokens.end_s), color="#9a9a9a", linewidth=1.0)


def _style_time(axes: Axes, cluster: Cluster, made: Forecast | None) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    end_s = made.times[-1] if made is not None else cluster.tokens.end_s
    span_s = end_s - _begin_s(cluster)
    pattern = "%H:%M" if span_s < DAY_S else "%d %b\n%H:%M" if span_s < 4 * DAY_S else "%d %b"
    axes.xaxis_date()
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter(pattern))  # type: ignore[no-untyped-call]
    axes.set_xlim(_date(_begin_s(cluster)), _date(end_s))
    axes.set_xlabel("UTC; the band holds 8 of 10 outcomes, if what has been goes on", fontsize=8.5, color=INK)


def _begin_s(cluster: Cluster) -> float:
    """The first reading's time: a source that is younger than the window leaves no empty chart."""
    return next((at_s for at_s, _ in cluster.tokens.known()), cluster.tokens.start_s)


def _date(at_s: float) -> float:
    """Days since the epoch, as matplotlib counts dates."""
    return at_s / DAY_S


def _dates(times: Sequence[float]) -> list[float]:
    return [_date(at_s) for at_s in times]
