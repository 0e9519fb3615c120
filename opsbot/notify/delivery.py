"""The worker that empties the outbox: woken by a change or every half second, until it is cancelled.

What may be said next is chosen anew whenever something may be: the most important of all that waits, each thread in
order and one at a time, so a reply never overtakes an earlier one. No exception of one incident stops the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from opsbot.clock import Clock
from opsbot.log_context import log_about
from opsbot.notify.collapse import Collapsed, collapsed
from opsbot.notify.order import Importance, importance, in_order, thread_of
from opsbot.notify.outbox import OutboxItem, OutboxStore
from opsbot.notify.pipeline import Attempt, Outcome, Pipeline

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5
"""How often the outbox is looked at though nobody said that it changed."""
READS_APART_S = 0.02
"""A storm of changes is read together."""
MOST_APART_S = 0.25
READING_SHARE = 0.1
"""Of the time at most that much is spent on reading: where thousands wait, each look at them costs."""
DUE_LIMIT = 2000
"""Generous, so that the waiting threads of many old incidents never hide a new incident's page."""
DEFERRED_PAUSE_S = 0.5
"""Pause of a thread whose first message does not stand yet."""
UNEXPECTED_PAUSE_S = 2.0
"""Pause of one incident after an error nobody foresaw (a full disk, a locked database)."""
STOP_GRACE_S = 3.0


class DeliveryWorker:
    """Runs deliveries until cancelled; `wake` may be called from any thread.

    Args:
        look_ahead: learns of what is due, before it is asked for places; called in a thread.
    """

    def __init__(
        self,
        store: OutboxStore,
        pipeline: Pipeline,
        clock: Clock,
        *,
        side_by_side: int = 8,
        look_ahead: Callable[[Sequence[OutboxItem]], None] | None = None,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._clock = clock
        self._side_by_side = side_by_side
        self._look_ahead = look_ahead
        self._woken, self._freed = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stale = True
        self._waiting: Sequence[OutboxItem] = ()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._busy_when_read: frozenset[str] = frozenset()
        self._held_until: dict[str, float] = {}

    def wake(self) -> None:
        """Look at the outbox now instead of at the next half second."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed)

    def _changed(self) -> None:
        self._is_stale = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver for ever; on cancellation, calls under way get a moment to be recorded."""
        loop = self._loop = asyncio.get_running_loop()
        read_at, apart_s = loop.time() - INTERVAL_S, READS_APART_S
        try:
            while True:
                self._woken.clear()
                since_read_s = loop.time() - read_at
                if since_read_s >= (apart_s if self._is_stale else INTERVAL_S):
                    began_at = loop.time()
                    await self._read()
                    read_at, since_read_s = loop.time(), 0.0
                    apart_s = min(MOST_APART_S, max(READS_APART_S, (read_at - began_at) / READING_SHARE))
                self._freed.clear()
                wait_s = min(self._start_what_may(), INTERVAL_S)
                event = self._woken
                if self._is_stale:
                    # Whatever else changes meanwhile is read with it; what is known already goes on.
                    event, wait_s = self._freed, min(wait_s, max(0.0, apart_s - since_read_s))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await event.wait()
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

    async def _read(self) -> None:
        # Taken before the outbox is read: what finishes meanwhile is read as still due, and would be posted twice.
        busy = self._busy_when_read = frozenset(self._under_way)
        self._is_stale = False
        try:
            due = await asyncio.to_thread(self._due)
        except Exception:
            # The store may be locked or its disk full; the next round asks again, and the log says so each time.
            logger.exception("the outbox cannot be read; trying again")
            return
        self._waiting = in_order(item for item in due if thread_of(item) not in busy)

    def _due(self) -> Sequence[OutboxItem]:
        due = self._store.due(self._clock.now(), DUE_LIMIT)
        if self._look_ahead is not None:
            self._look_ahead(due)
        return due

    def _start_what_may(self) -> float:
        """Begin everything that may be said now; answers the seconds until something else may."""
        at = self._clock.monotonic()
        self._held_until = {thread: until for thread, until in self._held_until.items() if at < until}
        soonest_s = INTERVAL_S
        closed = {*self._under_way, *self._held_until}
        num_lesser = len(self._under_way)
        gone: set[str] = set()
        for index, item in enumerate(self._waiting):
            thread = thread_of(item)
            if thread in closed:
                continue
            # A page does not queue behind the threads of other incidents.
            if importance(item) is not Importance.PAGE and num_lesser >= self._side_by_side:
                continue
            wait_s = self._pipeline.wait_s(item, at)
            if wait_s > 0:
                soonest_s = min(soonest_s, wait_s)
                if item.kind != "incident_message" or item.is_first:
                    closed.add(thread)
                continue
            behind = self._with_same_readers(item, self._waiting[index:])
            plan = collapsed(behind, self._clock.now())
            gone |= {item.key} if plan is None else {item.key, *plan.carried}
            closed.add(thread)
            num_lesser += 1
            self._start(thread, item, plan, at)
        self._waiting = [item for item in self._waiting if item.key not in gone]
        return soonest_s

    def _with_same_readers(self, item: OutboxItem, waiting: Sequence[OutboxItem]) -> Sequence[OutboxItem]:
        thread, place = thread_of(item), self._pipeline.place(item)
        return [other for other in waiting if thread_of(other) == thread and self._pipeline.place(other) == place]

    def _start(self, thread: str, item: OutboxItem, plan: Collapsed | None, at: float) -> None:
        self._pipeline.begin(item, at)
        with log_about(incident_id=item.incident_id):
            task = asyncio.create_task(self._deliver(thread, item, plan), name=f"deliver {item.key}")
        self._under_way[thread] = task

    async def _deliver(self, thread: str, item: OutboxItem, plan: Collapsed | None) -> None:
        try:
            carried = () if plan is None else plan.carried
            self._settle(thread, await self._pipeline.finish(item, carried))
        except Exception:
            # Whatever it was, it concerns this incident only; what is recorded decides how it goes on.
            logger.exception("messages of %s are not delivered; trying again", item.incident_id or item.key)
            self._hold(thread, UNEXPECTED_PAUSE_S)
        finally:
            del self._under_way[thread]
            if thread in self._busy_when_read:
                self._is_stale = True
            self._woken.set()
            self._freed.set()

    def _settle(self, thread: str, attempt: Attempt) -> None:
        if attempt.outcome is Outcome.DEFERRED:
            self._hold(thread, DEFERRED_PAUSE_S)
        elif attempt.outcome is not Outcome.DELIVERED:
            self._hold(thread, 0.0)
        if attempt.ends_outage:
            self._is_stale = True

    def _hold(self, thread: str, pause_s: float) -> None:
        """Nothing more of *thread* until the outbox was read again and *pause_s* have passed."""
        self._waiting = [item for item in self._waiting if thread_of(item) != thread]
        if pause_s:
            self._held_until[thread] = self._clock.monotonic() + pause_s
        self._is_stale = True
