"""The fleet in one picture: tokens a minute of all clusters together, and how full each of them was, line by line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from opsbot.capacity.chart_style import INK, LIMIT, LOAD, date_of, dates_of, draw_marks, new_figure, png, style_time
from opsbot.capacity.mark import Mark
from opsbot.capacity.text import quantity
from opsbot.capacity.usage import BOUNDS, Cluster

WIDTH_IN, LOAD_IN, ROW_IN = 10.0, 2.4, 0.21
TIGHT, FULL = 0.75, 0.95


def draw_overview(clusters: Sequence[Cluster], marks: Sequence[Mark]) -> bytes:
    """A PNG of *clusters*, which have the same times, the fullest first.

    A cluster is as full as the fullest of its bounds; where none is known, its line is empty.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    rows = sorted(clusters, key=lambda one: -sum(_known(_fullness(one))))
    times = rows[0].tokens.times
    sums = [sum(_known([one.tokens.values[at] for one in rows])) for at in range(len(times))]
    first = next((at for at, value in enumerate(sums) if value > 0), 0)
    begin_s, end_s = times[first], times[-1]
    figure = new_figure(WIDTH_IN, LOAD_IN + ROW_IN * len(rows) + 0.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[LOAD_IN, ROW_IN * len(rows) + 0.3])
    figure.suptitle(f"{len(rows)} clusters", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    upper.fill_between(dates_of(times), sums, color=LOAD, alpha=0.18, lw=0)
    upper.plot(dates_of(times), sums, color=LOAD, linewidth=1.5)
    upper.set_ylim(0, max(sums, default=0.0) * 1.35 or 1)
    upper.set_ylabel("tokens a minute", fontsize=9, color=INK)
    upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))
    upper.spines[["top", "right"]].set_visible(False)
    upper.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    colours = LinearSegmentedColormap.from_list(
        "fullness", [(0.0, "#eef3f8"), (TIGHT, "#6f9fd0"), (FULL, "#e0922f"), (1.0, LIMIT)]
    )
    step = date_of(rows[0].tokens.step_s)
    image = lower.imshow(
        [_fullness(one) for one in rows],
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        vmin=0,
        vmax=1,
        extent=(date_of(times[0]) - step / 2, date_of(times[-1]) + step / 2, len(rows) - 0.5, -0.5),
    )
    lower.set_yticks(range(len(rows)), [one.name for one in rows], fontsize=8)
    bar = figure.colorbar(image, ax=lower, pad=0.01, aspect=30, format=PercentFormatter(1.0))
    bar.set_label("of what the fullest bound allows", fontsize=8.5, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    for axes in (upper, lower):
        axes.tick_params(axis="x", labelsize=9, colors=INK)
    upper.tick_params(axis="y", labelsize=9, colors=INK)
    draw_marks(upper, [lower], begin_s, end_s, marks)
    style_time(lower, begin_s, end_s, "UTC")
    return png(figure)


def _fullness(cluster: Cluster) -> list[float]:
    """The largest sure share at each time; NaN where none is known."""
    sure = [cluster.shares[bound].values for bound in BOUNDS if bound in cluster.shares.keys() - cluster.at_most]
    at_each = zip(*sure, strict=True) if sure else ([math.nan] for _ in cluster.tokens.values)
    return [max(_known(shares), default=math.nan) for shares in at_each]


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
