"""PagerDuty for one core: built from the settings, started and stopped with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opsbot.clock import Clock
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxStore
from opsbot.pagerduty.client import PagerDuty
from opsbot.pagerduty.notes import PageNotes
from opsbot.pagerduty.page import PageSource
from opsbot.pagerduty.settings import PagerDutySection
from opsbot.pagerduty.watch import ChannelWatch, PageStore
from opsbot.pagerduty.worker import PageWorker


@dataclass(frozen=True, slots=True)
class PagingStore:
    """What paging reads and writes; called in threads.

    Args:
        incident: reads one; raises NotFoundError.
        note, noted: write a timeline entry, and read one by its key.
    """

    outbox: OutboxStore
    pages: PageStore
    incident: Callable[[str], Incident]
    note: Callable[[TimelineEntry], None]
    noted: Callable[[str], TimelineEntry | None]


class Paging:
    """Pages through PagerDuty while it runs.

    Args:
        count: counts one event by what became of it: `delivered`, `retry`, `failed`.
    """

    def __init__(
        self,
        section: PagerDutySection,
        secrets: Mapping[str, str],
        instance: str,
        store: PagingStore,
        count: Callable[[str], None],
        clock: Clock,
    ) -> None:
        paged = frozenset(section.severities)
        notes = PageNotes(store.note, store.noted, clock)
        self._pager = PagerDuty(secrets[section.routing_key_env], instance, section.url, section.ca_file)
        self.watch = ChannelWatch(store.pages, notes, paged, section.late_after, section.slack_late_after, clock)
        source = PageSource(paged, store.incident, self.watch.unheard, clock, store.noted)
        self.worker = PageWorker(store.outbox, self._pager, source.next_page, notes, count, clock)
        self._running: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Begin to page; returns at once."""
        self._running = (
            asyncio.create_task(self.worker.run(), name="pagerduty"),
            asyncio.create_task(self.watch.run(), name="late pages"),
        )

    async def stop(self) -> None:
        """Page no more; nothing durable is lost."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.to_thread(self._pager.close)

    def wake(self) -> None:
        """Page now; may be called from any thread."""
        self.worker.wake()
