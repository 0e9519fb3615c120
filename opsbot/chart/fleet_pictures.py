"""The fleet's pictures: its day, what each cluster carries, and where its traffic comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from opsbot.capacity.gather import Source
from opsbot.capacity.hardware import Figures
from opsbot.chart import day_chart
from opsbot.chart.bar_chart import bars_of_clusters, bars_of_countries, draw_bars, spoken
from opsbot.chart.picture import MOST_ALT_CHARS, Picture, Theme
from opsbot.chart.style import clock_of
from opsbot.chart.worker import Drawer
from opsbot.vitals.day import FleetDay, clusters_of_two_days, day_of


class FleetPictures:
    """Reads the fleet's day and draws it."""

    def __init__(self, source: Source, figures: Figures, drawer: Drawer, theme: Theme = "light") -> None:
        self._source, self._figures, self._drawer, self._theme = source, figures, drawer, theme

    async def day(self, now: float, only: Collection[str] = ()) -> FleetDay | None:
        """The numbers of the last 24 hours; None before there are any, or if they could not be put together.

        Args:
            only: clusters that are meant; all if empty.

        Raises: SourceError if the source does not answer, or knows no tokens.
        """
        clusters = await clusters_of_two_days(self._source, now, self._figures)
        if only:
            clusters = tuple(one for one in clusters if one.name in only)
        if not clusters:
            return None
        day = await self._drawer.drawn(day_of, clusters, now)
        return day if day is not None and day.peak is not None else None

    async def of_day(self, day: FleetDay, theme: Theme | None = None) -> Picture | None:
        """Tokens a minute and share of capacity; None if it could not be drawn."""
        png = await self._drawer.drawn(day_chart.draw_day, day, theme or self._theme)
        return _picture(png, day_chart.alt_text(day), f"The fleet's last {day.span}")

    async def of_clusters(self, day: FleetDay, theme: Theme | None = None) -> Picture | None:
        """What each cluster carries now of what it can; None if it could not be drawn."""
        bars = bars_of_clusters(day.loads)
        title, note = "Load by cluster", f"tokens a minute, of what it can (faint), at {clock_of(day.at)} UTC"
        png = await self._drawer.drawn(draw_bars, bars, title, note, theme or self._theme)
        return _picture(png, f"Load by cluster in tokens a minute, and share of capacity: {spoken(bars)}.", title)

    async def of_countries(
        self, counts: Mapping[str, float], unit: str = "requests a minute", theme: Theme | None = None
    ) -> Picture | None:
        """Traffic by country; None without any, or if it could not be drawn."""
        bars = bars_of_countries(counts)
        if not bars:
            return None
        title = "Traffic by country"
        png = await self._drawer.drawn(draw_bars, bars, title, f"{unit}, and share of all", theme or self._theme)
        return _picture(png, f"Traffic by country in {unit}, and share of all: {spoken(bars)}.", title)


def _picture(png: bytes | None, alt_text: str, title: str) -> Picture | None:
    return None if png is None else Picture(png, alt_text[:MOST_ALT_CHARS], title)
