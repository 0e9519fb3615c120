"""Draws what a cluster carried before and during a load test, beside what was expected and what it can."""

from __future__ import annotations

import logging
import math

from opsbot.capacity.gather import Source
from opsbot.capacity.text import quantity
from opsbot.chart.picture import MOST_ALT_CHARS, Picture, Theme
from opsbot.chart.style import LARGE, PALETTES, PLAIN, SMALL, new_figure, plain, png, write
from opsbot.chart.time_axis import connected, style_time
from opsbot.chart.worker import Drawer
from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.utilisation.load_test import LoadTest
from opsbot.utilisation.load_test_words import title, verdict
from opsbot.vitals.figure import FIGURES, of_cluster

logger = logging.getLogger(__name__)

NUM_STEPS = 120
LEAST_STEP_S = 5.0
BEFORE = 0.25
"""Of the test's length is shown before it."""
HEIGHT_IN = 2.9

Points = tuple[tuple[float, float], ...]


class LoadTestPictures:
    """Reads the cluster's load from *source* and draws it."""

    def __init__(self, source: Source, drawer: Drawer, theme: Theme, clock: Clock) -> None:
        self._source, self._drawer, self._theme, self._clock = source, drawer, theme, clock

    async def of(self, test: LoadTest) -> Picture | None:
        """The picture of a test that is over; None where there are no readings, or it could not be drawn."""
        end_s = test.closed_at or self._clock.now()
        length_s = max(60.0, end_s - test.announced_at)
        begin_s = test.announced_at - max(120.0, BEFORE * length_s)
        step_s = max(LEAST_STEP_S, (end_s - begin_s) / NUM_STEPS)
        text = of_cluster(FIGURES["tokens"], test.cluster)
        try:
            lines = await self._source.query_range(text, begin_s, end_s, step_s)
        except SourceError as error:
            logger.info("load test %d has no chart: %s", test.number, error)
            return None
        points = tuple((at, value) for line in lines for at, value in line.points if not math.isnan(value))
        if len(points) < 2:
            return None
        made = await self._drawer.drawn(draw_load_test, test, points, self._theme)
        if made is None:
            return None
        most = max(value for _, value in points)
        expected = test.expected.total
        aside = "" if expected is None else f"; at most {quantity(expected)} was expected"
        alt = f"{title(test)}. {test.cluster} carried at most {quantity(most)} tok/min{aside}. {verdict(test)}"
        return Picture(made, alt[:MOST_ALT_CHARS], f"Load test {test.number}")


def draw_load_test(test: LoadTest, points: Points, theme: Theme) -> bytes:
    """A PNG."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    palette = PALETTES[theme]
    figure = new_figure(HEIGHT_IN, palette)
    name = f"Load test {test.number} on {test.cluster}"
    write(figure, 0.02, 1 - 0.3 / HEIGHT_IN, name, size=LARGE, weight="bold", color=palette.ink)
    note = "Tokens a minute, UTC; the test is shaded"
    write(figure, 0.02, 1 - 0.52 / HEIGHT_IN, note, size=PLAIN, color=palette.soft)
    axes = figure.add_axes((0.12, 0.13, 0.85, 0.62))
    plain(axes, palette)
    begin_s, end_s = points[0][0], max(points[-1][0], test.closed_at or 0.0)
    times, values = connected(points, 3 * LEAST_STEP_S + (end_s - begin_s) / NUM_STEPS * 2)
    axes.axvspan(max(begin_s, test.announced_at), end_s, color=palette.mark, alpha=0.12, linewidth=0)
    axes.fill_between(times, values, color=palette.line, alpha=0.15, linewidth=0)
    axes.plot(times, values, color=palette.line, linewidth=2.0)
    highest = max(value for _, value in points)
    expected, capacity = test.expected.total, test.expected.capacity
    for level, word, colour in ((expected, "expected at most", palette.mark), (capacity, "it can", palette.bad)):
        # What lies far above would press the rest to the floor; the text has it.
        if level is not None and level <= 3 * max(highest, expected or 0.0):
            axes.axhline(level, color=colour, linewidth=1.3, linestyle=(0, (5, 2)))
            axes.annotate(
                f"{word} {quantity(level)}", (begin_s, level), xytext=(2, 3), textcoords="offset points",
                size=SMALL, color=colour, va="bottom", annotation_clip=False,
            )  # fmt: skip
            highest = max(highest, level)
    axes.set_ylim(0, highest * 1.2 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))
    style_time(axes, begin_s, end_s)
    return png(figure)
