"""Reads the numbers of each kind of report and puts it together; the sources come from outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from opsbot.capacity.forecast import DAY_S, WEEK_S
from opsbot.capacity.gather import COUNTRIES, Source, gather
from opsbot.capacity.hardware import Figures
from opsbot.capacity.text import WHOLE, ahead
from opsbot.chart.fleet_pictures import FleetPictures
from opsbot.chart.picture import Theme
from opsbot.chart.worker import Drawer
from opsbot.errors import SourceError
from opsbot.utilisation.peak import daily_peak
from opsbot.utilisation.post import lease_words, utilisation_post
from opsbot.utilisation.report import Report, ReportKind
from opsbot.utilisation.traffic import by_country, has_countries
from opsbot.utilisation.trend import LOOK_BACK_S, STEP_S, Pace, pace_of_day, pace_of_weeks
from opsbot.vitals.day import LOOK_BACK_S as TWO_DAYS_S
from opsbot.vitals.day import FleetDay
from opsbot.vitals.vitals import Fleet

logger = logging.getLogger(__name__)

KNOBS = "sum by (cluster, knob) (serving_open_leases) > 0"
MOST_KNOBS = 8
NEAR_S = DAY_S / 2
"""The report of a week before is looked for within half a day."""


class Memory(Protocol):
    """What earlier reports said; called in a thread."""

    def facts_near(self, kind: ReportKind, at: float, within_s: float) -> Mapping[str, float] | None: ...


class Makers:
    """Makes reports.

    Args:
        figures: what the settings say of the hardware.
        clusters: that are told of; all if empty.
        fleet: every cluster now.
    """

    def __init__(
        self,
        pictures: FleetPictures,
        source: Source,
        memory: Memory,
        fleet: Callable[[], Awaitable[Fleet]],
        zone: ZoneInfo,
        theme: Theme,
        figures: Figures,
        drawer: Drawer,
        clusters: Collection[str] = (),
    ) -> None:
        self._pictures, self._source, self._memory, self._fleet = pictures, source, memory, fleet
        self._figures, self._drawer = figures, drawer
        self._zone, self._theme, self._clusters = zone, theme, frozenset(clusters)

    async def post(self, slot: float, now: float, notes: Sequence[str]) -> Report:
        """Tok/min, the share of capacity, and the trend. Raises SourceError."""
        day = await self._day(now)
        picture = await self._pictures.of_day(day, self._theme)
        return utilisation_post(day, slot, self._zone, notes, picture, await self._pace(day, now))

    async def peak(self, slot: float, now: float, notes: Sequence[str]) -> Report:
        """The peak of the last 24 hours. Raises SourceError."""
        day = await self._day(now)
        last_week, leases, picture = await asyncio.gather(
            self._last_week(slot, now), self._leases(day), self._pictures.of_day(day, self._theme)
        )
        return daily_peak(day, last_week, leases, slot, self._zone, notes, picture)

    async def traffic(self, slot: float, now: float, notes: Sequence[str], span_s: float = WEEK_S) -> Report:
        """Requests by country. Raises SourceError."""
        answer = await self._source.query(COUNTRIES.format(window=f"{round(span_s)}s"))
        counts: dict[str, float] = {}
        for one in answer:
            # A NaN is no count.
            if one.value == one.value and one.value > 0:
                counts[one.labels.get("country", "unknown")] = one.value
        number, unit = ahead(span_s)
        picture = await self._pictures.of_countries(counts, theme=self._theme) if has_countries(counts) else None
        return by_country(counts, f"{number:.0f} {unit}", slot, now, notes, picture)

    async def _day(self, now: float) -> FleetDay:
        day = await self._pictures.day(now, self._clusters)
        if day is None:
            raise SourceError("there are no readings of the fleet yet", retryable=True)
        return day

    async def _pace(self, day: FleetDay, now: float) -> Pace | None:
        """By two weeks where the source knows more than two days; by these otherwise."""
        if pace_of_day(day).known_s < WHOLE * TWO_DAYS_S:
            return None
        try:
            found = await gather(self._source, now - LOOK_BACK_S, now, STEP_S, self._figures)
        except SourceError as error:
            logger.debug("the trend of two weeks is not known: %s", error)
            return None
        meant = [one for one in found if not self._clusters or one.name in self._clusters]
        pace = await self._drawer.drawn(pace_of_weeks, meant, now) if meant else None
        return pace if pace is not None and pace.meets is not None else None

    async def _last_week(self, slot: float, now: float) -> float | None:
        """What the report of a week before said, or else what the source knows of those 24 hours."""
        facts = await asyncio.to_thread(self._memory.facts_near, "peak", slot - WEEK_S, NEAR_S)
        if facts and "peak_tokens_per_min" in facts:
            return facts["peak_tokens_per_min"]
        try:
            then = await self._pictures.day(now - WEEK_S, self._clusters)
        except SourceError as error:
            logger.debug("a week before is not known: %s", error)
            return None
        return then.peak.tokens_per_min if then is not None and then.peak is not None else None

    async def _leases(self, day: FleetDay) -> Sequence[str]:
        """What was in force at the peak, and what is now."""
        assert day.peak is not None
        now = lease_words(await self._fleet())
        try:
            found = await self._source.query_at(KNOBS, day.peak.at)
        except SourceError:
            return ("What was in force at the peak is not known.", now)
        knobs = sorted({f"{one.labels.get('knob', '?')} on {one.labels.get('cluster', '?')}" for one in found})
        if self._clusters:
            knobs = [one for one in knobs if one.rpartition(" on ")[2] in self._clusters]
        if not knobs:
            return ("No emergency setting was in force at the peak.", now)
        more = f" and {len(knobs) - MOST_KNOBS} more" if len(knobs) > MOST_KNOBS else ""
        return (f"In force at the peak: {', '.join(knobs[:MOST_KNOBS])}{more}.", now)
