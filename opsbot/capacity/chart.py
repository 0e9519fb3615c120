"""Charts as PNG: tokens a minute with the band ahead, and the used share of each bound, marks pinned on both.

Drawn to be read at a glance in a chat: one line per fact, words on the lines instead of a legend where they fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.capacity.chart_style import INK, LIMIT, LOAD, date_of, dates_of, draw_marks, new_figure, png, style_time
from opsbot.capacity.forecast import Forecast
from opsbot.capacity.lognormal import LogNormal
from opsbot.capacity.mark import Mark
from opsbot.capacity.text import percent, quantity
from opsbot.capacity.usage import Bound, Cluster

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 9.0, 5.6
BOUND_COLOURS: dict[Bound, str] = {"KV": "#1f5fa8", "batch": "#c77700", "bandwidth": "#2e7d4f", "compute": "#7a7a7a"}
OFF_CHART = 2.5
"""A capacity so many times above the load is said instead of drawn."""


def draw(cluster: Cluster, made: Forecast | None, marks: Sequence[Mark], title: str) -> bytes:
    """A PNG of *cluster*, with *title* (the trend's sentence) under its name."""
    figure = new_figure(WIDTH_IN, HEIGHT_IN)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    figure.suptitle(f"{cluster.name}, {cluster.model}", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    upper.set_title(title, loc="left", fontsize=10, color=INK)
    _draw_load(upper, cluster, made)
    _draw_shares(lower, cluster, made)
    begin_s, end_s = _begin_s(cluster), made.times[-1] if made is not None else cluster.tokens.end_s
    draw_marks(upper, [lower], begin_s, end_s, marks)
    style_time(lower, begin_s, end_s, "UTC; the band holds 8 of 10 outcomes, if what has been goes on")
    if made is not None:
        for axes in (upper, lower):
            axes.axvline(date_of(cluster.tokens.end_s), color="#9a9a9a", linewidth=1.0)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
        axes.tick_params(labelsize=9, colors=INK)
    return png(figure)


def _draw_load(axes: Axes, cluster: Cluster, made: Forecast | None) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.plot(dates_of(cluster.tokens.times), list(cluster.tokens.values), color=LOAD, linewidth=1.4)
    top = max((value for _, value in cluster.tokens.known()), default=1.0)
    if made is not None:
        times = dates_of(made.times)
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
            dates_of(readings.times), values, label=label, color=BOUND_COLOURS[bound],
            linewidth=1.8 if is_chosen else 1.0, alpha=1.0 if is_chosen else 0.7,
        )  # fmt: skip
        highest = max([highest, *(value for value in values if not math.isnan(value))])
    capacity = cluster.capacity
    if made is not None and capacity is not None and cluster.bound is not None:
        ratios = [value / capacity for value in made.values]
        axes.fill_between(
            dates_of(made.times), [100 * one.low for one in ratios], [100 * one.high for one in ratios],
            color=BOUND_COLOURS[cluster.bound], alpha=0.18, lw=0,
        )  # fmt: skip
    axes.axhline(100, color=LIMIT, linewidth=1.2)
    axes.set_ylim(0, max(112.0, min(highest * 1.1, 200.0)))
    axes.set_ylabel("% of capacity", fontsize=9, color=INK)
    if cluster.shares:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=9, frameon=False, borderaxespad=0.1)


def _begin_s(cluster: Cluster) -> float:
    """The first reading's time: a source that is younger than the window leaves no empty chart."""
    return next((at_s for at_s, _ in cluster.tokens.known()), cluster.tokens.start_s)
