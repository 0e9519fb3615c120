"""Takes pages from the outbox to PagerDuty, in a lane of their own: no message in Slack ever holds one up.

Whatever is wrong with one page concerns that page alone; what PagerDuty refuses is given up and said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.clock import Clock
from opsbot.notify.notifier import DeliveryError
from opsbot.notify.outbox import OutboxItem, OutboxStore
from opsbot.notify.retry import RetryPolicy
from opsbot.pagerduty.client import Pager
from opsbot.pagerduty.event import NEVER
from opsbot.pagerduty.notes import PageNotes
from opsbot.pagerduty.page import Page

INTERVAL_S = 0.5
DUE_LIMIT = 200
CHANNEL = "pagerduty"
UNEXPECTED_PAUSE_S = 2.0
REFUSED_FOR_S = 600.0
"""How long an event that was given up is not tried again, however often its incident changes meanwhile."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Refusal:
    event: str
    why: str
    until: float


class PageWorker:
    """Runs until cancelled; `wake` may be called from any thread.

    Args:
        next_page: what an item is to tell; called in a thread; raises NotFoundError.
        count: counts one event by what became of it: `delivered`, `retry`, `failed`.
    """

    def __init__(
        self,
        store: OutboxStore,
        pager: Pager,
        next_page: Callable[[OutboxItem], Page | None],
        notes: PageNotes,
        count: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._pager = pager
        self._next_page = next_page
        self._notes = notes
        self._count = count
        self._clock = clock
        self._retry = RetryPolicy()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._not_before = 0.0
        self._held_until: dict[str, float] = {}
        self._refused: dict[str, _Refusal] = {}

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
                async with asyncio.timeout(INTERVAL_S):
                    await self._woken.wait()
            self._woken.clear()

    async def round(self) -> None:
        """Deliver what is due, in the store's order: first what was never taken, the worst before the others."""
        started = self._clock.monotonic()
        self._held_until = {key: until for key, until in self._held_until.items() if started < until}
        self._refused = {key: refusal for key, refusal in self._refused.items() if started < refusal.until}
        for item in await asyncio.to_thread(self._store.due, self._clock.now(), DUE_LIMIT):
            if self._clock.monotonic() < self._not_before:
                return
            if item.key in self._held_until:
                continue
            try:
                await self._deliver(item)
            except Exception:
                # The others must not wait for it; what is recorded decides how it goes on.
                logger.exception("%s is not delivered; trying again", item.key)
                self._held_until[item.key] = self._clock.monotonic() + UNEXPECTED_PAUSE_S

    async def _deliver(self, item: OutboxItem) -> None:
        page = await asyncio.to_thread(self._next_page, item)
        if page is None:
            sent = item.ts or NEVER
            await asyncio.to_thread(self._store.mark_delivered, item.key, item.revision, CHANNEL, sent)
            return
        refusal = self._refused.get(item.key)
        if refusal is not None and refusal.event == str(page.event):
            await asyncio.to_thread(self._store.mark_failed, item.key, refusal.why)
            return
        await asyncio.to_thread(self._store.mark_sending, item.key)
        try:
            await self._pager.send(page)
        except DeliveryError as error:
            await self._failed(item, page, error)
            return
        await asyncio.to_thread(self._store.mark_delivered, item.key, item.revision, CHANNEL, str(page.event))
        self._count("delivered")
        await asyncio.to_thread(self._notes.paged, page)
        if page.incident is not None and item.ts in (None, NEVER):
            await asyncio.to_thread(self._notes.taken, page.ref)

    async def _failed(self, item: OutboxItem, page: Page, error: DeliveryError) -> None:
        now, why = self._clock.now(), str(error)
        if error.retry_after_s is not None:
            self._not_before = self._clock.monotonic() + error.retry_after_s
        next_at = self._retry.next_at(item.attempts, error, now)
        logger.warning("the page of %s is not delivered: %s", page.ref, why)
        if next_at is None:
            self._refused[item.key] = _Refusal(str(page.event), why, self._clock.monotonic() + REFUSED_FOR_S)
            # Said first: whatever is written to the timeline makes the page due again.
            await asyncio.to_thread(self._notes.given_up, page, why)
            await asyncio.to_thread(self._store.mark_failed, item.key, why)
            self._count("failed")
            return
        # Always `sending`: the key makes a repeat harmless, so nothing needs to be looked for.
        await asyncio.to_thread(self._store.mark_retry, item.key, next_at, why, outcome_unknown=True)
        self._count("retry")
        if not error.retryable and page.incident is not None and item.ts in (None, NEVER):
            await asyncio.to_thread(self._notes.late, page.ref, why)
