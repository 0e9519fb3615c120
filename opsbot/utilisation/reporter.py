"""Tells what is due: made and kept first, then its picture is uploaded, then it is handed to the outbox.

Each step is kept before the next begins, so a process that dies in between tells it once, and two replicas do too: the
key of a report is its slot. A slot that was missed is skipped, and the next post says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from opsbot.clock import Clock
from opsbot.errors import NotifyError, OpsbotError, SourceError
from opsbot.utilisation.moment import moment
from opsbot.utilisation.report import Report, ReportKind
from opsbot.utilisation.slots import Due, Schedule

logger = logging.getLogger(__name__)

WITHIN_S = 60.0
"""For the numbers and the picture of one report."""
AGAIN_S = 30.0
"""Between two tries at a report whose numbers could not be read; its slot is missed some time."""
KEPT_S = 400 * 86_400.0


class ReportStore(Protocol):
    """The durable side; called in threads. Raises StoreError."""

    def last_slot(self, kind: ReportKind) -> float | None: ...

    def begin_at(self, kind: ReportKind, slot: float, now: float) -> None: ...

    def add(self, report: Report) -> bool: ...

    def untold(self) -> Sequence[Report]: ...

    def tell(self, key: str, file_id: str | None) -> None: ...

    def pass_over(self, kind: ReportKind, before: float) -> int: ...

    def forget(self, before: float) -> int: ...


class Files(Protocol):
    """Where pictures are shown."""

    async def file(self, name: str, png: bytes, title: str, alt_text: str, since: float, *, may_be_there: bool) -> str:
        """The id of the file called *name*: the one that is there since *since*, if it may be, or a new one.

        Raises: NotifyError.
        """
        ...


Make = Callable[[float, float, Sequence[str]], Awaitable[Report]]
"""The report of a slot: the slot, the time now, and what is to be noted in it. Raises SourceError."""


class Reporter:
    """Tells reports of several kinds, each by its own schedule.

    Args:
        wake: has the outbox delivered now.
    """

    def __init__(
        self,
        store: ReportStore,
        files: Files,
        schedules: Mapping[ReportKind, Schedule],
        makers: Mapping[ReportKind, Make],
        zone: ZoneInfo,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._files, self._clock, self._wake, self._zone = store, files, clock, wake, zone
        self._schedules, self._makers = schedules, makers
        self._again_at: dict[ReportKind, float] = {}
        self._is_first = True

    async def look(self) -> None:
        """Tell what is due now; never raises for what one report needs."""
        for report in await asyncio.to_thread(self._store.untold):
            await self._tell(report, may_be_there=self._is_first)
        self._is_first = False
        for kind, schedule in self._schedules.items():
            try:
                await self._look(kind, schedule)
            except OpsbotError as error:
                self._again_at[kind] = self._clock.monotonic() + AGAIN_S
                logger.warning("the report %s is not made, trying again: %s", kind, error)

    async def _look(self, kind: ReportKind, schedule: Schedule) -> None:
        now = self._clock.now()
        told = await asyncio.to_thread(self._store.last_slot, kind)
        if told is None:
            # Nobody was to tell anything before the first start.
            await asyncio.to_thread(self._store.begin_at, kind, now, now)
            return
        due = schedule.due(told, now)
        if due.slot is None or self._clock.monotonic() < self._again_at.get(kind, 0.0):
            return
        num_unsaid = await asyncio.to_thread(self._store.pass_over, kind, due.slot)
        notes = self._missed(due, num_unsaid, now)
        try:
            async with asyncio.timeout(WITHIN_S):
                report = await self._makers[kind](due.slot, now, notes)
        except TimeoutError as error:
            raise SourceError(f"its numbers did not come within {WITHIN_S:.0f} s") from error
        if await asyncio.to_thread(self._store.add, report):
            await self._tell(report, may_be_there=False)

    async def _tell(self, report: Report, *, may_be_there: bool) -> None:
        file_id = None
        picture = report.picture
        if picture is not None and picture.png:
            try:
                file_id = await self._files.file(
                    report.file_name,
                    picture.png,
                    picture.title,
                    picture.alt_text,
                    report.made_at,
                    may_be_there=may_be_there,
                )
            except NotifyError as error:
                logger.warning("the report %s goes without its picture: %s", report.key, error)
        await asyncio.to_thread(self._store.tell, report.key, file_id)
        self._wake()

    def _missed(self, due: Due, num_unsaid: int, now: float) -> tuple[str, ...]:
        notes = []
        if due.num_missed and due.missed_since is not None:
            since = moment(due.missed_since, now, self._zone)
            what = f"{due.num_missed} posts were" if due.num_missed > 1 else "One post was"
            notes.append(f"{what} skipped since {since}: the bot was away, or had no numbers.")
        if num_unsaid:
            what = f"{num_unsaid} posts were" if num_unsaid > 1 else "One post was"
            notes.append(f"{what} skipped: the channel could not be reached.")
        return tuple(notes)

    async def forget(self) -> None:
        """Drop reports that are older than any comparison."""
        await asyncio.to_thread(self._store.forget, self._clock.now() - KEPT_S)
