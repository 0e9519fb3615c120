"""Draws the fleet's day: tokens a minute with its peak and yesterday beside it, and the share of capacity below."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from opsbot.capacity.forecast import Readings
from opsbot.capacity.text import percent, quantity
from opsbot.chart.picture import Theme
from opsbot.chart.style import (
    LARGE,
    PALETTES,
    PLAIN,
    SMALL,
    WIDTH_IN,
    Palette,
    clock_of,
    new_figure,
    plain,
    png,
    write,
)
from opsbot.chart.time_axis import connected, style_time
from opsbot.vitals.day import FleetDay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT_IN, RIGHT_IN, TOP_IN, LINE_IN, LOAD_IN, GAP_IN, SHARE_IN, FOOT_IN = 0.62, 0.2, 0.42, 0.21, 1.75, 0.36, 0.9, 0.36
SENTENCE_CHARS = 72
MOST_NAMED = 4


def headline(day: FleetDay) -> str:
    """`1.21M tokens a minute, 43% of capacity`."""
    share = f", {percent(day.used_now)} of capacity" if day.used_now is not None else ""
    return f"{quantity(day.tokens_now)} tokens a minute{share}"


def _sentence(day: FleetDay) -> str:
    return f"{day.sentence[:1].upper()}{day.sentence[1:]}"


def draw_day(day: FleetDay, theme: Theme) -> bytes:
    """A PNG."""
    palette = PALETTES[theme]
    sentence = textwrap.wrap(_sentence(day), SENTENCE_CHARS, max_lines=2, placeholder=" …")
    if day.missing:
        sentence.append(f"No readings now: {', '.join(day.missing[:MOST_NAMED])}")
    head_in = TOP_IN + LINE_IN * len(sentence) + 0.42
    shares_in = GAP_IN + SHARE_IN if day.used is not None else 0.0
    height = head_in + LOAD_IN + shares_in + FOOT_IN
    figure = new_figure(height, palette)
    write(figure, 0.02, 1 - 0.3 / height, headline(day), size=LARGE, weight="bold", color=palette.ink)
    for index, line in enumerate(sentence):
        write(figure, 0.02, 1 - (0.54 + LINE_IN * index) / height, line, size=PLAIN, color=palette.soft)
    x, wide = LEFT_IN / WIDTH_IN, 1 - (LEFT_IN + RIGHT_IN) / WIDTH_IN
    upper = figure.add_axes((x, 1 - (head_in + LOAD_IN) / height, wide, LOAD_IN / height))
    panel = f"Tokens a minute, {day.span} to {clock_of(day.tokens.end_s)} UTC"
    write(figure, 0.02, 1 - (head_in - 0.12) / height, panel, size=PLAIN, color=palette.ink)
    _draw_load(upper, day, palette)
    last = upper
    if day.used is not None:
        y = 1 - (head_in + LOAD_IN + GAP_IN + SHARE_IN) / height
        last = figure.add_axes((x, y, wide, SHARE_IN / height))
        write(figure, 0.02, y + (SHARE_IN + 0.09) / height, "Share of capacity", size=PLAIN, color=palette.ink)
        _draw_share(last, day.used, palette)
        upper.set_xticks([])
    for axes in figure.axes:
        axes.set_xlim(day.begin_s, day.tokens.end_s)
    style_time(last, day.begin_s, day.tokens.end_s)
    return png(figure)


def _draw_load(axes: Axes, day: FleetDay, palette: Palette) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    plain(axes, palette)
    shift_s = day.tokens.start_s - day.yesterday.start_s
    before = [(at + shift_s, value) for at, value in day.yesterday.known()]
    longest_s = 1.5 * day.tokens.step_s
    times, values = connected(day.tokens.known(), longest_s)
    axes.fill_between(times, values, color=palette.line, alpha=0.15, linewidth=0)
    if before:
        axes.plot(*connected(before, longest_s), color=palette.other, linewidth=1.2, label="yesterday")
    axes.plot(times, values, color=palette.line, linewidth=2.0, label="today")
    highest = max([value for _, value in (*before, *day.tokens.known())], default=0.0)
    axes.set_ylim(0, highest * 1.25 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))
    if before:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=SMALL, frameon=False, borderaxespad=0.0,
            labelcolor=palette.soft, handlelength=1.4, columnspacing=1.2,
        )  # fmt: skip
    if day.peak is not None:
        _draw_peak(axes, day, palette)


def _draw_peak(axes: Axes, day: FleetDay, palette: Palette) -> None:
    peak = day.peak
    assert peak is not None
    axes.plot([peak.at], [peak.tokens_per_min], "o", color=palette.mark, markersize=7, zorder=5, clip_on=False)
    is_left = peak.at < (day.begin_s + day.tokens.end_s) / 2
    axes.annotate(
        f"peak {quantity(peak.tokens_per_min)} at {clock_of(peak.at)}", (peak.at, peak.tokens_per_min),
        xytext=(2 if is_left else -2, 7), textcoords="offset points", ha="left" if is_left else "right", va="bottom",
        size=PLAIN, weight="bold", color=palette.mark, zorder=5, annotation_clip=False,
    )  # fmt: skip


def _draw_share(axes: Axes, used: Readings, palette: Palette) -> None:
    from matplotlib.ticker import FuncFormatter

    plain(axes, palette)
    times, values = connected(used.known(), 1.5 * used.step_s)
    axes.fill_between(times, values, color=palette.line, alpha=0.15, linewidth=0)
    axes.plot(times, values, color=palette.line, linewidth=2.0)
    axes.axhline(1.0, color=palette.bad, linewidth=1.3, linestyle=(0, (5, 2)))
    axes.set_ylim(0, max(1.15, *(value * 1.1 for value in values if not math.isnan(value)), 0.0))
    axes.set_yticks([0, 0.5, 1.0])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def alt_text(day: FleetDay) -> str:
    """What the picture shows, in sentences."""
    said = [f"The fleet's last {day.span} to {clock_of(day.at)} UTC: {headline(day)}."]
    if day.peak is not None:
        share = f", {percent(day.peak.used_ratio)} of capacity" if day.peak.used_ratio is not None else ""
        said.append(
            f"The peak was {quantity(day.peak.tokens_per_min)} at {clock_of(day.peak.at)}{share}, most of it on"
            f" {day.peak.cluster}."
        )
    if day.yesterdays_peak is not None:
        said.append(f"Yesterday's was {quantity(day.yesterdays_peak.tokens_per_min)}.")
    said.append(f"{_sentence(day)}.")
    if day.missing:
        said.append(f"Nothing is known now of {', '.join(day.missing[:MOST_NAMED])}.")
    return " ".join(said)
