"""The lease desk: takes operations on leases one at a time, journals each, then sets the knob in force.

The order is always decide, journal, apply, set, answer. Ends run here too: whoever holds a lease may be dead, so the
server ends it alone, as the lease says.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from serving_stub.errors import JournalError, NotHealthy
from serving_stub.frontdoor.audit import SERVER, AuditTrail, Note, note_of
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.command import Command, CommandRequest, CommandState, Completed
from serving_stub.frontdoor.ending import Gates
from serving_stub.frontdoor.fold import InForce, Layers
from serving_stub.frontdoor.knob import NumberKnob
from serving_stub.frontdoor.lease import Ended, EndReason, Lease, LeaseEvent, LeaseRequest, Noted
from serving_stub.frontdoor.ramp import RampPlan

_LOG = logging.getLogger(__name__)

TICK_S = 0.2
"""Longest time by which an end is noticed late, and between two looks at a gate that is closed."""


class Journal(Protocol):
    """Where events are kept."""

    @property
    def is_large(self) -> bool: ...

    def append(self, events: Sequence[LeaseEvent], notes: Sequence[Note], /) -> None:
        """Store *events* durably with what to remember of each, or raise JournalError."""
        ...

    def compact(self, book: LeaseBook, notes: Sequence[Note], /) -> None:
        """Store what is known now in place of how it came about."""
        ...


class LeaseDesk:
    """All lease operations of one server.

    Args:
        book, journal: as `LeaseJournal.open` returned them.
        clock: gives the time of each operation.
        setters: by number knob, what sets its value in force; called at start and whenever it changes.
        new_id: makes an id from a time.
        layer_setters: the same for layers and switches.
        notes: what the audit remembers from before.
        may_ramp: whether the load allows another step of a ramp.
        why_unhealthy: why the server is not well; None when it is.
    """

    def __init__(
        self,
        book: LeaseBook,
        journal: Journal,
        clock: Clock,
        setters: Mapping[str, Callable[[InForce], None]],
        new_id: Callable[[float], str],
        *,
        layer_setters: Mapping[str, Callable[[Layers], None]] | None = None,
        notes: Iterable[Note] = (),
        ramp: RampPlan | None = None,
        may_ramp: Callable[[], bool] = lambda: True,
        why_unhealthy: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._book = book
        self._journal = journal
        self._clock = clock
        self._setters = setters
        self._layer_setters = layer_setters or {}
        self._new_id = new_id
        self._ramp = ramp or RampPlan()
        self._may_ramp = may_ramp
        self._why_unhealthy = why_unhealthy
        self._lock = asyncio.Lock()
        self._was_changed = asyncio.Event()
        self._set: dict[str, str] = {}
        self._numbers: dict[str, InForce] = {}
        self._layers: dict[str, Layers] = {}
        self._set_knobs()
        self.audit = AuditTrail(notes)

    @property
    def book(self) -> LeaseBook:
        """The leases as they are now; an end shows up to TICK_S late."""
        return self._book

    def layers(self, knob: str) -> Layers:
        """What is in force of a knob of layers or a switch, without any work: for every request."""
        return self._layers[knob]

    def num_open(self) -> Mapping[str, int]:
        """Leases in force by knob; safe from any thread."""
        book = self._book
        return {**dict.fromkeys(book.knobs, 0), **Counter(lease.request.knob for lease in book.standing())}

    async def grant(
        self, request: LeaseRequest, *, by: str = "", if_match: Collection[str] | None = None, stack: bool = False
    ) -> tuple[Lease, bool]:
        """Grant a lease, or find the one that the same key was given before.

        Returns: the lease, and whether it is new.
        Raises: JournalError, and what `LeaseBook.grant` raises.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            decided = self._book.grant(request, self._new_id(now), now, if_match=if_match, stack=stack)
            if isinstance(decided, Lease):
                return decided, False
            await self._record(now, by, decided)
            return self._book.get(decided.lease.lease_id), True

    async def renew(
        self, lease_id: str, ttl_s: float, *, by: str = "", if_match: Collection[str] | None = None
    ) -> Lease:
        """Move the expiry of a lease to now + *ttl_s*.

        Raises: LeaseNotFound, LeaseEnded, RevisionMismatch, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            await self._record(now, by, self._book.renew(lease_id, ttl_s, now, if_match=if_match))
            return self._book.get(lease_id)

    async def release(
        self, lease_id: str, *, by: str = "", at_once: bool = False, if_match: Collection[str] | None = None
    ) -> Lease:
        """Bring a lease to its end, which means what the lease says, unless *at_once*.

        One whose end has come before is answered unchanged.
        Raises: LeaseNotFound, RevisionMismatch, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            change = self._book.release(
                lease_id, now, gates=self._gates(), ramp=self._ramp, at_once=at_once, if_match=if_match
            )
            if change is not None:
                await self._record(now, by, change)
            return self._book.get(lease_id)

    async def readmit(self, request: CommandRequest, knobs: Collection[str], *, by: str = "") -> Command:
        """End all leases of *knobs*, once, if the server is well.

        Raises: NotHealthy, IdempotencyKeyReused, JournalError.
        """
        async with self._lock:
            now = await self._end_what_is_due()
            decided = self._book.begin(request, f"c-{self._new_id(now).removeprefix('l-')}", now)
            if isinstance(decided, Command):
                return decided
            reason = self._why_unhealthy()
            if reason is not None:
                raise NotHealthy(f"the server is not taken back: {reason}")
            leases = [lease.lease_id for knob in knobs for lease in self._book.of(knob)]
            ends = [Ended(lease_id, now, EndReason.READMITTED) for lease_id in leases]
            command_id = decided.command.command_id
            told = f"ended {', '.join(leases)}" if leases else "nothing held it"
            # The command stands last: where the write tears, it did not happen, and the same key goes on with the rest.
            await self._record(now, by, *ends, decided, Completed(command_id, now, CommandState.DONE, told))
            return self._book.command(command_id)

    async def begin(self, request: CommandRequest, *, by: str = "") -> tuple[Command, bool]:
        """Take a command, or find the one that the same key was given before.

        Returns: the command, and whether it is new and must now be run.
        Raises: IdempotencyKeyReused, CommandRunning, JournalError.
        """
        async with self._lock:
            now = self._clock.now()
            decided = self._book.begin(request, f"c-{self._new_id(now).removeprefix('l-')}", now)
            if isinstance(decided, Command):
                return decided, False
            await self._record(now, by, decided)
            return self._book.command(decided.command.command_id), True

    async def complete(self, command_id: str, state: CommandState, detail: str) -> None:
        """Say how a command ended; it counts even when it cannot be journalled, since it has happened."""
        async with self._lock:
            now = self._clock.now()
            await self._record_anyway(now, Completed(command_id, now, state, detail))

    async def remember(self, note: Note) -> None:
        """Note what did not happen, such as a refusal."""
        async with self._lock:
            try:
                await asyncio.to_thread(self._journal.append, (Noted(),), (note,))
            except JournalError as error:
                _LOG.error("%s", error)
            self.audit.add([note])

    async def run(self) -> None:
        """End leases when their time is up, until cancelled."""
        while True:
            due = self._book.next_due(self._ramp)
            self._was_changed.clear()
            if due is None:
                await self._was_changed.wait()
                continue
            left_s = due - self._clock.now()
            await asyncio.sleep(min(TICK_S, left_s) if left_s > 0 else TICK_S)
            async with self._lock:
                await self._end_what_is_due()
                if self._journal.is_large:
                    await asyncio.to_thread(self._journal.compact, self._book, self.audit.notes())

    async def _end_what_is_due(self) -> float:
        """An end counts even when it cannot be journalled: replay would find the same, or be more careful."""
        now = self._clock.now()
        due = self._book.next_due(self._ramp)
        if due is not None and due <= now:
            await self._record_anyway(now, *self._book.due(now, self._gates(), self._ramp))
        return now

    def _gates(self) -> Gates:
        return Gates(may_ramp=self._may_ramp(), is_healthy=self._why_unhealthy() is None)

    async def _record_anyway(self, now: float, *events: LeaseEvent) -> None:
        if not events:
            return
        book, notes = self._after(now, SERVER, events)
        try:
            await asyncio.to_thread(self._journal.append, events, notes)
        except JournalError as error:
            _LOG.error("%s", error)
        self._adopt(book.forget(now), notes)

    async def _record(self, now: float, by: str, *events: LeaseEvent) -> None:
        book, notes = self._after(now, by, events)
        await asyncio.to_thread(self._journal.append, events, notes)
        self._adopt(book, notes)

    def _after(self, now: float, by: str, events: Sequence[LeaseEvent]) -> tuple[LeaseBook, list[Note]]:
        book, notes = self._book, list[Note]()
        for event in events:
            after = book.apply(event)
            notes.append(note_of(event, book, after, by=by, now=now))
            book = after
        return book, notes

    def _adopt(self, book: LeaseBook, notes: Sequence[Note]) -> None:
        self._book = book
        self._set_knobs()
        self.audit.add(notes)
        self._was_changed.set()
        for note in notes:
            _LOG.info("%s: %s by %s", note.lease_id or note.detail, note.action, note.by)

    def _set_knobs(self) -> None:
        for name, knob in self._book.knobs.items():
            revision = self._book.revision(name)
            if self._set.get(name) == revision:
                continue
            if isinstance(knob, NumberKnob):
                self._set_number(name, self._book.in_force(name))
            else:
                self._set_layers(name, self._book.layers(name, self._layers.get(name, ())))
            self._set[name] = revision

    def _set_number(self, name: str, number: InForce) -> None:
        if name in self._setters and self._numbers.get(name) != number:
            self._setters[name](number)
        self._numbers[name] = number

    def _set_layers(self, name: str, layers: Layers) -> None:
        if name in self._layer_setters and self._layers.get(name) != layers:
            self._layer_setters[name](layers)
        self._layers[name] = layers
