"""Takes pages from the outbox to PagerDuty, in a lane of their own: no message in Slack ever holds one up.

A page fails open: while PagerDuty does not take one, the incident's channel says so and what to do instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Set

from opsbot.alert.alert import Severity
from opsbot.clock import Clock
from opsbot.incident.incident import Incident
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.notifier import DeliveryError
from opsbot.notify.outbox import OutboxItem, OutboxStore
from opsbot.notify.retry import RetryPolicy
from opsbot.pagerduty.client import Pager
from opsbot.pagerduty.event import NEVER, next_event

INTERVAL_S = 0.5
DUE_LIMIT = 200
CHANNEL = "pagerduty"
UNEXPECTED_PAUSE_S = 2.0

logger = logging.getLogger(__name__)


class PageWorker:
    """Runs until cancelled; `wake` may be called from any thread.

    Args:
        paged: severities that page.
        late_after_s: how long PagerDuty may not take a first page before the channel is told.
        incident: reads one; called in a thread.
        note, noted: write a timeline entry, and read one by its key; called in threads.
    """

    def __init__(
        self,
        store: OutboxStore,
        pager: Pager,
        paged: Set[Severity],
        late_after_s: float,
        incident: Callable[[str], Incident],
        note: Callable[[TimelineEntry], None],
        noted: Callable[[str], TimelineEntry | None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._pager = pager
        self._paged = paged
        self._late_after_s = late_after_s
        self._incident = incident
        self._note = note
        self._noted = noted
        self._clock = clock
        self._retry = RetryPolicy()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._not_before = 0.0

    def wake(self) -> None:
        """Look at the outbox now instead of at the next half second."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Page for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self.round()
            except Exception:
                # A locked store, a full disk: what is recorded decides how it goes on.
                logger.exception("pages are not delivered; trying again")
                await asyncio.sleep(UNEXPECTED_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), INTERVAL_S)
            self._woken.clear()

    async def round(self) -> None:
        """Deliver what is due, oldest first."""
        for item in await asyncio.to_thread(self._store.due, self._clock.now(), DUE_LIMIT):
            if self._clock.monotonic() < self._not_before:
                return
            await self._deliver(item)

    async def _deliver(self, item: OutboxItem) -> None:
        incident = await asyncio.to_thread(self._incident, item.ref)
        sent = item.ts or NEVER
        event = next_event(incident, self._paged, sent)
        if event is None:
            await asyncio.to_thread(self._store.mark_delivered, item.key, item.revision, CHANNEL, sent)
            return
        await asyncio.to_thread(self._store.mark_sending, item.key)
        try:
            await self._pager.send(event, incident)
        except DeliveryError as error:
            await self._failed(item, incident, error)
            return
        await asyncio.to_thread(self._store.mark_delivered, item.key, item.revision, CHANNEL, str(event))
        late = f"{incident.incident_id}:page.late"
        if sent == NEVER and await asyncio.to_thread(self._noted, late) is not None:
            await self._say(incident, "page.taken", "PagerDuty has taken the page now")

    async def _failed(self, item: OutboxItem, incident: Incident, error: DeliveryError) -> None:
        now = self._clock.now()
        if error.retry_after_s is not None:
            self._not_before = self._clock.monotonic() + error.retry_after_s
        next_at = self._retry.next_at(item.attempts, error, now)
        logger.warning("the page of %s is not delivered: %s", incident.incident_id, error)
        if next_at is None:
            await asyncio.to_thread(self._store.mark_failed, item.key, str(error))
        else:
            # Always `sending`: the key makes a repeat harmless, so nothing needs to be looked for.
            await asyncio.to_thread(self._store.mark_retry, item.key, next_at, str(error), outcome_unknown=True)
        is_first = item.ts in (None, NEVER)
        if is_first and (not error.retryable or now - incident.opened_at >= self._late_after_s):
            text = f"{error}: nobody has been paged through it. Wake somebody by hand; it goes on trying"
            await self._say(incident, "page.late", text)

    async def _say(self, incident: Incident, kind: str, text: str) -> None:
        key = f"{incident.incident_id}:{kind}"
        entry = TimelineEntry(key, incident.incident_id, self._clock.now(), "opsbot", kind, text, is_broadcast=True)
        await asyncio.to_thread(self._note, entry)
