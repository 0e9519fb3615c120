"""The worker that empties the outbox: woken by a change or every half second, until it is cancelled.

Incidents are delivered side by side, one incident's messages in order: its own message first, then its thread, so a
reply never overtakes an earlier one. No exception of one incident stops the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from opsbot.clock import Clock
from opsbot.log_context import log_about
from opsbot.notify.outbox import OutboxItem, OutboxStore
from opsbot.notify.pipeline import Outcome, Pipeline

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5
DUE_LIMIT = 2000
"""Generous, so that the waiting threads of many old incidents never hide a new incident's page."""
UNEXPECTED_PAUSE_S = 2.0
"""Pause of one incident after an error nobody foresaw (a full disk, a locked database)."""
STOP_GRACE_S = 3.0


class DeliveryWorker:
    """Runs deliveries until cancelled; `wake` may be called from any thread."""

    def __init__(self, store: OutboxStore, pipeline: Pipeline, clock: Clock, *, side_by_side: int = 8) -> None:
        self._store = store
        self._pipeline = pipeline
        self._clock = clock
        self._turns = asyncio.Semaphore(side_by_side)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._incident_held_until: dict[str, float] = {}
        self._thread_held_until: dict[str, float] = {}

    def wake(self) -> None:
        """Look at the outbox now instead of at the next half second."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Deliver for ever; on cancellation, calls under way get a moment to be recorded."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._round()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_S):
                        await self._woken.wait()
                self._woken.clear()
        finally:
            await self._finish()

    async def _finish(self) -> None:
        tasks = list(self._under_way.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_GRACE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _round(self) -> None:
        # Taken before the outbox is read: what finishes meanwhile is read as still due, and would be posted twice.
        busy = frozenset(self._under_way)
        # Also taken before: an entry whose pause ends while we read is not among the due, and must hold the others.
        asked_at = self._clock.monotonic()
        try:
            due = await asyncio.to_thread(self._store.due, self._clock.now(), DUE_LIMIT)
        except Exception:
            # The store may be locked or its disk full; the next round asks again, and the log says so each time.
            logger.exception("the outbox cannot be read; trying again")
            return
        by_incident: dict[str, list[OutboxItem]] = {}
        for item in due:
            by_incident.setdefault(item.incident_id, []).append(item)
        for incident_id, items in by_incident.items():
            if incident_id in busy or asked_at < self._incident_held_until.get(incident_id, 0.0):
                continue
            self._incident_held_until.pop(incident_id, None)
            with log_about(incident_id=incident_id):
                delivering = self._deliver_incident(incident_id, items, asked_at)
                task = asyncio.create_task(delivering, name=f"deliver {incident_id}")
            self._under_way[incident_id] = task

    async def _deliver_incident(self, incident_id: str, items: Sequence[OutboxItem], asked_at: float) -> None:
        is_page = any(item.kind == "incident_message" and item.ts is None for item in items)
        try:
            # A page does not queue behind the threads of other incidents.
            async with contextlib.AsyncExitStack() as turn:
                if not is_page:
                    await turn.enter_async_context(self._turns)
                await self._in_order(incident_id, items, asked_at)
        except Exception:
            # Whatever it was, it concerns this incident only; what is recorded decides how it goes on.
            logger.exception("messages of %s are not delivered; trying again", incident_id)
            self._incident_held_until[incident_id] = self._clock.monotonic() + UNEXPECTED_PAUSE_S
        finally:
            del self._under_way[incident_id]

    async def _in_order(self, incident_id: str, items: Sequence[OutboxItem], asked_at: float) -> None:
        for item in items:
            if item.kind != "timeline_entry":
                await self._pipeline.deliver(item)
        if asked_at < self._thread_held_until.get(incident_id, 0.0):
            return
        self._thread_held_until.pop(incident_id, None)
        for item in items:
            if item.kind != "timeline_entry":
                continue
            attempt = await self._pipeline.deliver(item)
            if attempt.outcome is Outcome.RETRY:
                self._thread_held_until[incident_id] = self._clock.monotonic() + attempt.again_in_s
            if attempt.outcome in (Outcome.RETRY, Outcome.DEFERRED):
                return
