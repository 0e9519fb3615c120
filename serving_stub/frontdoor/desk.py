"""The lease desk: takes lease operations one at a time, journals each, then sets the knob in force.

The order is always decide, journal, apply, set, answer. Expiry runs here too: whoever holds a lease may be dead, so
the server ends it alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from serving_stub.errors import JournalError
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.lease import Granted, InForce, Lease, LeaseBook, LeaseEvent, LeaseRequest

_LOG = logging.getLogger(__name__)

TICK_S = 0.2
"""Longest time by which an expiry is noticed late."""


class Journal(Protocol):
    """Where events are kept."""

    def append(self, events: tuple[LeaseEvent, ...]) -> None:
        """Store *events* durably, or raise JournalError."""
        ...


class LeaseDesk:
    """All lease operations of one server.

    Args:
        book, journal: as `LeaseJournal.open` returned them.
        clock: gives the time of each operation.
        setters: by knob, what sets its value in force; called at start and whenever it changes.
        new_id: makes a lease id from a time.
    """

    def __init__(
        self,
        book: LeaseBook,
        journal: Journal,
        clock: Clock,
        setters: Mapping[str, Callable[[InForce], None]],
        new_id: Callable[[float], str],
    ) -> None:
        self._book = book
        self._journal = journal
        self._clock = clock
        self._setters = setters
        self._new_id = new_id
        self._lock = asyncio.Lock()
        self._was_changed = asyncio.Event()
        self._set: dict[str, InForce] = {}
        self._set_knobs()

    @property
    def book(self) -> LeaseBook:
        """The leases as they are now; an expiry shows up to TICK_S late."""
        return self._book

    def num_open(self) -> Mapping[str, int]:
        """Live leases by knob; safe from any thread."""
        book = self._book
        return {knob: sum(lease.request.knob == knob for lease in book.live()) for knob in book.knobs}

    async def grant(self, request: LeaseRequest) -> tuple[Lease, bool]:
        """Grant a lease, or find the one that the same key was given before.

        Returns: the lease, and whether it is new.
        Raises: UnknownKnob, ValueOutOfRange, IdempotencyKeyReused, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            decided = self._book.grant(request, self._new_id(now), now)
            if isinstance(decided, Lease):
                return decided, False
            await self._record(decided)
            return self._book.get(decided.lease.lease_id), True

    async def renew(self, lease_id: str, ttl_s: float) -> Lease:
        """Move the expiry of a live lease to now + *ttl_s*.

        Raises: LeaseNotFound, LeaseEnded, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            await self._record(self._book.renew(lease_id, ttl_s, now))
            return self._book.get(lease_id)

    async def release(self, lease_id: str) -> Lease:
        """End a lease; one that has ended is answered unchanged.

        Raises: LeaseNotFound, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            ended = self._book.release(lease_id, now)
            if ended is not None:
                await self._record(ended)
            return self._book.get(lease_id)

    async def run(self) -> None:
        """End leases when their time is up, until cancelled."""
        while True:
            expiry = self._book.next_expiry()
            self._was_changed.clear()
            if expiry is None:
                await self._was_changed.wait()
                continue
            await asyncio.sleep(min(TICK_S, max(0.0, expiry - self._clock.now())))
            async with self._lock:
                await self._end_what_is_due()

    async def _end_what_is_due(self) -> float:
        """An expiry counts even when it cannot be journalled: replay would find the same from the time alone."""
        now = self._clock.now()
        due = self._book.due(now)
        if due:
            try:
                await asyncio.to_thread(self._journal.append, due)
            except JournalError as error:
                _LOG.error("%s", error)
            self._adopt(self._book.apply_all(due).forget(now))
            for ended in due:
                _LOG.info("lease %s expired", ended.lease_id)
        return now

    async def _record(self, event: LeaseEvent) -> None:
        await asyncio.to_thread(self._journal.append, (event,))
        self._adopt(self._book.apply(event))
        lease_id = event.lease.lease_id if isinstance(event, Granted) else event.lease_id
        _LOG.info("lease %s %s", lease_id, event.event)

    def _adopt(self, book: LeaseBook) -> None:
        self._book = book
        self._set_knobs()
        self._was_changed.set()

    def _set_knobs(self) -> None:
        for knob, set_knob in self._setters.items():
            in_force = self._book.in_force(knob)
            if self._set.get(knob) != in_force:
                set_knob(in_force)
                self._set[knob] = in_force
