"""Draws an incident's course: a panel for each figure, with what happened as numbered lines through all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.chart.picture import Theme
from opsbot.chart.style import (
    LARGE,
    PALETTES,
    PLAIN,
    SMALL,
    WIDTH_IN,
    Palette,
    clock_of,
    drawable,
    new_figure,
    plain,
    png,
    write,
)
from opsbot.chart.time_axis import connected, style_time
from opsbot.vitals.incident import Course, Track
from opsbot.vitals.moment import Moment
from opsbot.vitals.reading import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAD_IN, PANEL_IN, TITLE_IN, FOOT_IN, KEY_IN, EDGE_IN = 0.62, 0.98, 0.3, 0.56, 0.24, 0.1
TITLE_CHARS, TITLE_LINE_IN = 46, 0.25
FLAG_PT, FLAG_SHARE = 11.0, 0.036
LEFT_IN, RIGHT_IN = 0.62, 0.16
OFF_CHART = 3.0
"""A level so many times above the line is said instead of drawn: the line would lie on the ground."""
MOST_KEY = 50
"""Characters of a moment's words."""
ROOM = 1.18
"""Above the highest value, so that the line does not touch the words."""


def draw(course: Course, title: str, theme: Theme) -> bytes:
    """A PNG of *course*."""
    palette = PALETTES[theme]
    moments = [one for one in course.moments if course.begin_s <= one.at <= course.end_s]
    panels_in = len(course.tracks) * (TITLE_IN + PANEL_IN)
    lines = textwrap.wrap(drawable(title, 2 * TITLE_CHARS), TITLE_CHARS, max_lines=2, placeholder="…") or [""]
    more_in = TITLE_LINE_IN * (len(lines) - 1)
    height = HEAD_IN + more_in + panels_in + FOOT_IN + KEY_IN * len(moments) + EDGE_IN
    figure = new_figure(height, palette)
    for index, line in enumerate(lines):
        y = 1 - (0.3 + TITLE_LINE_IN * index) / height
        write(figure, 0.02, y, line, size=LARGE, weight="bold", color=palette.ink)
    span = f"{clock_of(course.begin_s)} to {clock_of(course.end_s)} UTC"
    write(figure, 0.02, 1 - (0.52 + more_in) / height, f"{course.cluster}, {span}", size=SMALL, color=palette.soft)
    top = HEAD_IN + more_in
    for index, track in enumerate(course.tracks):
        axes = figure.add_axes(
            (
                LEFT_IN / WIDTH_IN,
                1 - (top + TITLE_IN + PANEL_IN) / height,
                1 - (LEFT_IN + RIGHT_IN) / WIDTH_IN,
                PANEL_IN / height,
            )
        )
        _panel(figure, axes, course, track, palette, 1 - (top + TITLE_IN - 0.08) / height)
        for moment in moments:
            axes.axvline(moment.at, color=_colour(moment, palette), linewidth=1.2, linestyle=(0, (3, 2)), zorder=3)
        if index < len(course.tracks) - 1:
            axes.set_xticks([])
        else:
            style_time(axes, course.begin_s, course.end_s)
            axes.tick_params(axis="x", pad=FLAG_PT * 2 if moments else 3)
            _flags(axes, course, moments, palette)
        top += TITLE_IN + PANEL_IN
    _key(figure, moments, height, palette)
    return png(figure)


def _panel(figure: Figure, axes: Axes, course: Course, track: Track, palette: Palette, title_y: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    times, values = connected(track.points, 2.5 * course.step_s)
    plain(axes, palette)
    axes.set_xlim(course.begin_s, course.end_s)
    axes.fill_between(times, values, color=palette.line, alpha=0.15, linewidth=0)
    axes.plot(times, values, color=palette.line, linewidth=2.0)
    highest = max(value for _, value in track.points)
    is_off = track.level is not None and track.figure.unit != "share" and track.level > OFF_CHART * highest > 0
    top = (highest if is_off else max(highest, track.level or 0.0)) * ROOM or 1.0
    axes.set_ylim(0, min(top, 1.12) if track.figure.unit == "share" and highest <= 1 else top)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=track.figure.unit == "count"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(track, value)))
    if track.level is not None:
        words = f"alert at {shown(track.figure, track.level)}" if track.is_rule else shown(track.figure, track.level)
        if is_off:
            words += ", above this"
        else:
            axes.axhline(track.level, color=palette.bad, linewidth=1.3, linestyle=(0, (5, 2)))
        axes.annotate(
            words, (0.005, top * 0.86 if is_off else track.level), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", ha="left", va="bottom", size=SMALL - 1, color=palette.bad, zorder=4,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": palette.ground, "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip
    last_s, last = track.points[-1]
    axes.plot([last_s], [last], "o", color=palette.line, markersize=5, clip_on=False, zorder=5)
    write(figure, 0.02, title_y, track.figure.name, size=PLAIN, color=palette.ink)
    colour = palette.bad if _is_beyond(track, last) else palette.ink
    write(
        figure, 1 - RIGHT_IN / WIDTH_IN, title_y, shown(track.figure, last),
        size=LARGE, weight="bold", color=colour, ha="right",
    )  # fmt: skip


def _is_beyond(track: Track, value: float) -> bool:
    return track.level is not None and track.figure.high_is == "bad" and value >= track.level


def _tick(track: Track, value: float) -> str:
    """A value at the axis: without the words of its unit."""
    return shown(track.figure, value).removesuffix(" a minute").removesuffix(" a second")


def _flags(axes: Axes, course: Course, moments: Sequence[Moment], palette: Palette) -> None:
    """The moments' numbers under their lines, moved apart where they would cover each other."""
    span_s = course.end_s - course.begin_s
    for number, (place, moment) in enumerate(zip(_apart([one.at for one in moments], span_s), moments, strict=True), 1):
        axes.annotate(
            str(number), (place, 0.0), xycoords=("data", "axes fraction"), xytext=(0, -FLAG_PT),
            textcoords="offset points", ha="center", va="center", size=SMALL - 1, weight="bold", color=palette.ground,
            annotation_clip=False,
            bbox={"boxstyle": "circle,pad=0.2", "facecolor": _colour(moment, palette), "edgecolor": "none"},
        )  # fmt: skip


def _apart(times: Sequence[float], span_s: float) -> list[float]:
    """The same times, each at least FLAG_SHARE of the span after the one before."""
    places: list[float] = []
    for at in times:
        places.append(max(at, places[-1] + FLAG_SHARE * span_s) if places else at)
    return places


def _key(figure: Figure, moments: Sequence[Moment], height: float, palette: Palette) -> None:
    """What the numbers mean, one a line, under the panels."""
    for number, moment in enumerate(moments, 1):
        y = (EDGE_IN + KEY_IN * (len(moments) - number) + 0.05) / height
        colour = _colour(moment, palette)
        write(figure, 0.035, y, str(number), size=PLAIN, weight="bold", color=colour, ha="center")
        write(figure, 0.06, y, clock_of(moment.at), size=PLAIN, color=palette.soft)
        write(figure, 0.165, y, drawable(moment.text, MOST_KEY), size=PLAIN, color=palette.ink)


def _colour(moment: Moment, palette: Palette) -> str:
    match moment.kind:
        case "opened" | "failed":
            return palette.bad
        case "resolved":
            return palette.good
        case "acknowledged":
            return palette.soft
    return palette.mark
