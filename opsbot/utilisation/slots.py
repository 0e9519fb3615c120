"""When something is told: the slots of a schedule, each told once, in a time zone that has its clocks changed.

Pure. A slot that lies further back than it may is missed, never caught up with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

LEAST_EVERY_S = 60.0
MOST_LATE_S = 600.0
"""A number that is told later than that is an old one."""
MOST_COUNTED = 200
"""Missed slots are counted up to here: an `every: 1m` after a month away has tens of thousands."""
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Due:
    """What is due.

    Args:
        slot: the newest slot that may still be told, seconds since the epoch; None if there is none.
        num_missed: slots before it that nobody told.
        missed_since: the first of them.
    """

    slot: float | None
    num_missed: int = 0
    missed_since: float | None = None


class Schedule:
    """The slots of `cron` in *zone*, or of `every` so many seconds; one of the two."""

    def __init__(self, zone: ZoneInfo, cron: str | None = None, every_s: float | None = None) -> None:
        self._zone = zone
        self._every_s = every_s
        self._cron = None if cron is None else cron_of(cron, zone)
        # As cron does it: what names its hours happens once though the clock shows them twice.
        self._is_by_the_clock = cron is not None and re.fullmatch(r"[\d,-]+", cron.split()[1]) is not None

    def after(self, at: float) -> Iterator[float]:
        """Every slot later than *at*, in order, without an end."""
        if self._every_s is not None:
            number = math.floor(at / self._every_s)
            while True:
                number += 1
                yield number * self._every_s
        assert self._cron is not None
        while True:
            found: datetime | None = self._cron.get_next_fire_time(
                None, datetime.fromtimestamp(math.floor(at) + 1, UTC).astimezone(self._zone)
            )
            if found is None:
                return
            at = found.timestamp()
            if not (self._is_by_the_clock and _is_second_time(found)):
                yield at

    def late_s(self) -> float:
        """How late a slot may be told: half as long as until the next one, MOST_LATE_S at most."""
        return MOST_LATE_S if self._every_s is None else min(MOST_LATE_S, self._every_s / 2)

    def due(self, told: float, now: float) -> Due:
        """What is due, if the last slot that was told, or knowingly missed, is *told*."""
        first: float | None = None
        last: float | None = None
        count = 0
        for slot in self.after(told):
            if slot > now:
                break
            first = slot if first is None else first
            last, count = slot, count + 1
            if count > MOST_COUNTED:
                last = self._newest(slot, now)
                break
        if last is None:
            return Due(None)
        if now - last > self.late_s():
            return Due(None, count, first)
        return Due(last, count - 1, first if count > 1 else None)

    def _newest(self, since: float, now: float) -> float:
        """The newest slot up to *now*; one at or after *since* is known to be."""
        newest = since
        for slot in self.after(max(since, now - self.late_s())):
            if slot > now:
                return newest
            newest = slot
        return newest


def cron_of(text: str, zone: ZoneInfo) -> Any:
    """The trigger of five fields.

    Raises: ValueError with what to write instead.
    """
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; five are needed, such as `0 9 * * mon-fri`")
    if _DIGIT.search(fields[4].split("/")[0]):
        # Programs disagree whether 0 is a Sunday or a Monday.
        raise ValueError(f"{text!r}: name the days of the week, such as `mon-fri` or `sun`")
    # Imported late: every command reads the settings, and few have such a time.
    from apscheduler.triggers.cron import CronTrigger

    minute, hour, day, month, weekday = fields
    try:
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday.lower(), timezone=zone)
    except ValueError as error:
        raise ValueError(f"{text!r} is no cron expression ({error}); write one such as `0 9 * * mon-fri`") from error


def _is_second_time(moment: datetime) -> bool:
    """Whether the clock has shown that time before, since it was set back."""
    return moment.fold == 1 or moment.replace(fold=0).utcoffset() != moment.utcoffset()
