"""PagerDuty for one core: built from the settings, started and stopped with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from opsbot.clock import Clock
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxStore
from opsbot.pagerduty.client import PagerDuty
from opsbot.pagerduty.settings import PagerDutySection
from opsbot.pagerduty.worker import PageWorker


class Paging:
    """Pages through PagerDuty while it runs."""

    def __init__(
        self,
        section: PagerDutySection,
        secrets: Mapping[str, str],
        instance: str,
        outbox: OutboxStore,
        incident: Callable[[str], Incident],
        note: Callable[[TimelineEntry], None],
        noted: Callable[[str], TimelineEntry | None],
        clock: Clock,
    ) -> None:
        self._pager = PagerDuty(secrets[section.routing_key_env], instance, section.url, section.ca_file)
        self._worker = PageWorker(
            outbox, self._pager, frozenset(section.severities), section.late_after, incident, note, noted, clock
        )
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to page; returns at once."""
        self._running = asyncio.create_task(self._worker.run(), name="pagerduty")

    async def stop(self) -> None:
        """Page no more; nothing durable is lost."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await asyncio.to_thread(self._pager.close)

    def wake(self) -> None:
        """Page now; may be called from any thread."""
        self._worker.wake()
