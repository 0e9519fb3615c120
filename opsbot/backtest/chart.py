"""A backtest as a picture: a lane for each alert, with its firings, pages and runs over time.

The alerts that page most are on top. Where nobody watched, or a rule could not be
evaluated, it is grey: quiet and unknown look different.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsbot.alert.alert import Severity
from opsbot.backtest.finding import Backtest, Episode
from opsbot.backtest.text import counted, short_labels
from opsbot.capacity.chart_style import INK, date_of, new_figure, style_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

WIDTH_IN, LANE_IN, REST_IN = 11.0, 0.27, 1.5
MOST_LANES = 60
MOST_APART = 40
"""Where more alerts than that fired, those of a rule share a lane."""
LONGEST_NAME = 58
COLOURS: dict[Severity, str] = {
    "critical": "#b3261e",
    "high": "#d9730d",
    "medium": "#d1a90a",
    "low": "#4f86c6",
    "info": "#9a9a9a",
}
UNKNOWN = "#e6e6e6"
LEAST_SHARE = 0.0015
"""Of the picture's width: a firing that is shorter is drawn so wide, to be seen at all."""


def draw(found: Backtest, form: str) -> bytes:
    """The picture, as `png` or `svg`."""
    from matplotlib import rc_context
    from matplotlib.patches import Patch

    all_lanes = lanes(found.episodes)
    left_out, shown_lanes = all_lanes[MOST_LANES:], all_lanes[:MOST_LANES]
    figure = new_figure(WIDTH_IN, REST_IN + LANE_IN * max(3, len(shown_lanes)))
    axes = figure.subplots()
    counts = {
        "episode": len(found.episodes),
        "incident": found.num_incidents,
        "page": found.num_pages,
    }
    title = f"{counted(len(found.severities), 'rule')}: {', '.join(counted(n, thing) for thing, n in counts.items())}"
    if left_out:
        title += f"; {len(left_out)} quieter lanes are left out"
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    for gap in found.gaps:
        axes.axvspan(date_of(gap.begins_at), date_of(gap.ends_at), color=UNKNOWN, linewidth=0, zorder=0)
    least_s = LEAST_SHARE * (found.until_s - found.since_s)
    for row, (_, own) in enumerate(shown_lanes):
        for begin_s, end_s in _unseen(found, own[0].name):
            axes.broken_barh(
                [(date_of(begin_s), date_of(end_s - begin_s))], (row - 0.3, 0.6), facecolors=UNKNOWN, zorder=1
            )
        _draw_lane(axes, row, own, found.until_s, least_s)
    if not shown_lanes:
        axes.text(0.5, 0.5, "nothing fired", transform=axes.transAxes, ha="center", va="center", color=INK)
    axes.set_yticks(range(len(shown_lanes)), [name for name, _ in shown_lanes], fontsize=8, color=INK)
    axes.set_ylim(max(2.5, len(shown_lanes) - 0.5), -0.5)
    style_time(axes, found.since_s, found.until_s, "UTC")
    axes.grid(axis="x", color="#ededed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    shown = {one.severity for _, own in shown_lanes for one in own}
    keys: list[Patch | Line2D] = [Patch(color=colour, label=name) for name, colour in COLOURS.items() if name in shown]
    starts = [start for _, own in shown_lanes for one in own for start in one.starts]
    if any(one.paged_at is not None for _, own in shown_lanes for one in own):
        keys.append(_marker("v", INK, INK, "page"))
    if any(not start.held_back for start in starts):
        keys.append(_marker("D", INK, "white", "run starts"))
    if any(start.held_back for start in starts):
        keys.append(_marker("X", INK, INK, "run held back"))
    if found.gaps or any(_unseen(found, own[0].name) for _, own in shown_lanes):
        keys.append(Patch(color=UNKNOWN, label="not known"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=8.5, frameon=False)
    picture = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(picture, format=form)
    return picture.getvalue()


def lanes(episodes: Sequence[Episode]) -> list[tuple[str, list[Episode]]]:
    """The lanes and what is on each; what pages most, then what fires longest, comes first."""
    by_alert: dict[str, list[Episode]] = {}
    same = _same_labels(episodes)
    for one in episodes:
        by_alert.setdefault(f"{one.name}  {short_labels(one.labels, same[one.name])}".rstrip(), []).append(one)
    if len(by_alert) > MOST_APART:
        by_alert = {}
        for one in episodes:
            by_alert.setdefault(one.name, []).append(one)
    last_s = max((one.ends_at or one.begins_at for one in episodes), default=0.0)

    def noise(lane: tuple[str, list[Episode]]) -> tuple[int, float, str]:
        name, own = lane
        return -sum(one.paged_at is not None for one in own), -sum(one.length_s(last_s) for one in own), name

    found = sorted(by_alert.items(), key=noise)
    return [(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…", own) for name, own in found]


def _same_labels(episodes: Sequence[Episode]) -> dict[str, set[str]]:
    """The labels that tell no alert of a rule from another, by the rule's name; clusters are always named."""
    values: dict[str, dict[str, set[str]]] = {}
    for one in episodes:
        known = values.setdefault(one.name, {})
        for name, value in one.labels.items():
            known.setdefault(name, set()).add(value)
    return {
        rule: {name for name, all_of_them in known.items() if len(all_of_them) == 1 and name != "cluster"}
        for rule, known in values.items()
    }


def _unseen(found: Backtest, name: str) -> list[tuple[float, float]]:
    """When a rule was not evaluated."""
    sight = found.sights.get(name)
    unseen_at = sight.unseen_at if sight is not None else ()
    return [(part.begins_at, part.ends_at) for part in found.stretches if part.resolution_s in unseen_at]


def _draw_lane(axes: Axes, row: int, own: Sequence[Episode], until_s: float, least_s: float) -> None:
    for one in own:
        length_s = max(one.length_s(until_s), least_s)
        axes.broken_barh(
            [(date_of(one.begins_at), date_of(length_s))], (row - 0.3, 0.6), facecolors=COLOURS[one.severity], zorder=2
        )
    pages = [date_of(one.paged_at) for one in own if one.paged_at is not None]
    axes.plot(pages, [row - 0.3] * len(pages), "v", color=INK, markersize=5, markeredgecolor="white", zorder=4)
    for is_held, marker, face in ((False, "D", "white"), (True, "X", INK)):
        times = [date_of(start.at) for one in own for start in one.starts if bool(start.held_back) is is_held]
        axes.plot(
            times, [row + 0.18] * len(times), marker, color=face, markersize=4.5, markeredgecolor=INK,
            markeredgewidth=0.8, zorder=5,
        )  # fmt: skip


def _marker(shape: str, edge: str, face: str, label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker=shape, linestyle="none", markeredgecolor=edge, markerfacecolor=face, markersize=6, label=label
    )
