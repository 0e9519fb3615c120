"""The lease book: everything the server knows of its knobs, as one value; operations decide, events change.

A request is *decided* into an event, the event is journalled, then *applied*; replaying the journal applies the same
events, so state after a restart cannot differ. An operation that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serving_stub.errors import (
    CommandNotFound,
    CommandRunning,
    IdempotencyKeyReused,
    InvalidValue,
    LeaseEnded,
    LeaseNotFound,
    OnEndNotAllowed,
    RevisionMismatch,
    TooManyLeases,
    UnknownKnob,
)
from serving_stub.frontdoor.command import Command, Commanded, CommandRequest, CommandState, Completed
from serving_stub.frontdoor.ending import CLOSED, Gates, due, end, next_due
from serving_stub.frontdoor.ending import changed as changed_lease
from serving_stub.frontdoor.fold import InForce, Layer, Layers, fold_number
from serving_stub.frontdoor.knob import Knob, NumberKnob
from serving_stub.frontdoor.lease import (
    Counted,
    Ended,
    EndReason,
    Granted,
    Lease,
    LeaseChange,
    LeaseEvent,
    LeaseRequest,
    Noted,
    Renewed,
)
from serving_stub.frontdoor.ramp import RampPlan

FORGET_AFTER_S = 24 * 3600.0
MAX_NUM_ENDED = 1000
MAX_NUM_IN_FORCE = 1000
"""Leases of one knob."""
ANY_REVISION = "*"


@dataclass(frozen=True, slots=True)
class LeaseBook:
    """Every lease and command the server knows, by id in order of grant.

    Args:
        revisions: how often the leases of each knob have changed.
    """

    knobs: Mapping[str, Knob]
    leases: Mapping[str, Lease] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)

    # -- what is in force

    def in_force(self, knob: str) -> InForce:
        """The number of a number knob now."""
        found = self.knob(knob)
        assert isinstance(found, NumberKnob)
        return fold_number(found, self.layers(knob))

    def layers(self, knob: str, known: Layers = ()) -> Layers:
        """The leases of *knob* that are in force, in order of grant, with parsed values.

        Args:
            known: layers of before, whose values need not be parsed again.
        """
        found = self.knob(knob)
        values = {layer.lease_id: layer.value for layer in known}
        layers: list[Layer[Any]] = []
        for lease in self.of(knob):
            layer = lease.layer()
            value = values[layer.lease_id] if layer.lease_id in values else found.parse(layer.value)
            layers.append(Layer(value, layer.strength, layer.lease_id, layer.mode))
        return tuple(layers)

    def figure(self, knob: str) -> int:
        """One number about *knob* now: of numbers what is in force, of others how many leases are."""
        return self.in_force(knob).value if isinstance(self.knob(knob), NumberKnob) else len(self.of(knob))

    def standing(self) -> tuple[Lease, ...]:
        """All leases in force."""
        return tuple(lease for lease in self.leases.values() if lease.is_in_force)

    def of(self, knob: str) -> tuple[Lease, ...]:
        """The leases of *knob* that are in force."""
        return tuple(lease for lease in self.leases.values() if lease.is_in_force and lease.request.knob == knob)

    def revision(self, knob: str) -> str:
        """A word that is another one after each change to the knob's leases."""
        return str(self.revisions.get(knob, 0))

    def knob(self, name: str) -> Knob:
        """Raises: UnknownKnob."""
        if name not in self.knobs:
            raise UnknownKnob(f"knob is '{name}', expected one of: {', '.join(sorted(self.knobs))}")
        return self.knobs[name]

    def get(self, lease_id: str) -> Lease:
        """Raises: LeaseNotFound."""
        if lease_id not in self.leases:
            raise LeaseNotFound(f"no lease '{lease_id}' is known here; GET /control/v1/leases lists those that are")
        return self.leases[lease_id]

    def command(self, command_id: str) -> Command:
        """Raises: CommandNotFound."""
        if command_id not in self.commands:
            raise CommandNotFound(f"no command '{command_id}' is known here")
        return self.commands[command_id]

    # -- deciding

    def grant(
        self,
        request: LeaseRequest,
        lease_id: str,
        now: float,
        *,
        if_match: Collection[str] | None = None,
        stack: bool = False,
    ) -> Granted | Lease:
        """Decide a request: a new lease, or the one already granted under the same key with the same content.

        Args:
            if_match: revisions of which one must be the knob's; None where the writer names none.
            stack: a writer without a revision knows that others' leases may be in force.
        Raises: UnknownKnob, InvalidValue, ValueOutOfRange, OnEndNotAllowed, IdempotencyKeyReused, RevisionMismatch,
            TooManyLeases.
        """
        known = self._lease_with_key(request.idempotency_key)
        if known is not None and known.request == request:
            return known
        knob = self.knob(request.knob)
        full = replace(request, value=knob.check(request.value), on_end=request.on_end or knob.on_ends[0])
        if known is not None and known.request == full:
            return known
        if full.on_end not in knob.on_ends:
            raise OnEndNotAllowed(f"on_end of {knob.name} is '{full.on_end}', expected {' or '.join(knob.on_ends)}")
        if full.mode != "finish" and not isinstance(knob, NumberKnob):
            raise InvalidValue(f"{knob.name} takes no mode")
        self._check_key(request.idempotency_key)
        self._check_revision(knob.name, if_match)
        others = sorted({lease.request.owner for lease in self.of(knob.name)} - {request.owner})
        if others and if_match is None and not stack:
            raise RevisionMismatch(
                f"{knob.name} is leased by {_names(others)}, revision {self.revision(knob.name)}: look at it, then "
                "send If-Match with that revision, or stack: true to add a layer whatever is there",
                knob.name,
            )
        if len(self.of(knob.name)) >= MAX_NUM_IN_FORCE:
            raise TooManyLeases(f"{knob.name} has {MAX_NUM_IN_FORCE} leases, the most there may be; release some")
        return Granted(Lease(lease_id, full, now, now + full.ttl_s, in_force_before=self.figure(knob.name)))

    def renew(self, lease_id: str, ttl_s: float, now: float, *, if_match: Collection[str] | None = None) -> Renewed:
        """Decide a renewal: the expiry moves to *now* + *ttl_s*; one that expired and is not gone yet lives again.

        Raises: LeaseNotFound, LeaseEnded, RevisionMismatch.
        """
        lease = self.get(lease_id)
        if not (lease.is_in_force and lease.end_reason in (None, EndReason.EXPIRED)):
            how = "has expired" if lease.end_reason is EndReason.EXPIRED else f"was {lease.end_reason}"
            raise LeaseEnded(f"lease {lease_id} {how}; ask for a new lease")
        self._check_revision(lease.request.knob, if_match)
        return Renewed(lease_id, now + ttl_s, now)

    def release(
        self,
        lease_id: str,
        now: float,
        *,
        gates: Gates = CLOSED,
        ramp: RampPlan | None = None,
        at_once: bool = False,
        if_match: Collection[str] | None = None,
    ) -> LeaseChange | None:
        """Decide a release: the lease's end comes now and means what the lease says, unless *at_once*.

        Returns: None when its end has come already.
        Raises: LeaseNotFound, RevisionMismatch.
        """
        lease = self.get(lease_id)
        if not lease.is_in_force or (lease.end_reason is not None and not at_once):
            return None
        self._check_revision(lease.request.knob, if_match)
        if at_once:
            return Ended(lease_id, now, EndReason.RELEASED)
        return end(lease, now, now, EndReason.RELEASED, gates, ramp or RampPlan())

    def due(self, now: float, gates: Gates = CLOSED, ramp: RampPlan | None = None) -> tuple[LeaseChange, ...]:
        """What time alone brings about: ends, and the steps of those that ramp or hold."""
        plan = ramp or RampPlan()
        return tuple(change for lease in self.standing() if (change := due(lease, now, gates, plan)) is not None)

    def next_due(self, ramp: RampPlan | None = None) -> float | None:
        """When to ask `due` again: already past while a lease waits for a gate; None when no lease is in force."""
        plan = ramp or RampPlan()
        return min((next_due(lease, plan) for lease in self.standing()), default=None)

    def begin(self, request: CommandRequest, command_id: str, now: float) -> Commanded | Command:
        """Decide a command: a new one, or the one already taken under the same key with the same content.

        Raises: IdempotencyKeyReused, CommandRunning.
        """
        known = next((one for one in self.commands.values() if one.request == request), None)
        if known is not None:
            return known
        self._check_key(request.idempotency_key)
        for one in self.commands.values():
            if one.request.kind is request.kind and one.state is CommandState.RUNNING:
                raise CommandRunning(f"{request.kind} {one.command_id} is not done yet; ask again when it is")
        return Commanded(Command(command_id, request, now))

    # -- changing

    def apply(self, event: LeaseEvent) -> LeaseBook:
        """The book after *event*; events for leases that are forgotten or ended change nothing."""
        match event:
            case Noted():
                return self
            case Counted(revisions):
                return replace(self, revisions=revisions)
            case Commanded(command):
                return replace(self, commands={**self.commands, command.command_id: command})
            case Completed(command_id, at, state, detail):
                begun = self.commands.get(command_id)
                if begun is None:
                    return self
                ended = replace(begun, ended_at=at, state=state, detail=detail)
                return replace(self, commands={**self.commands, command_id: ended})
            case Granted(lease):
                changed = lease
            case _:
                known = self.leases.get(event.lease_id)
                if known is None or not known.is_in_force:
                    return self
                changed = changed_lease(known, event)
        knob = changed.request.knob
        return replace(
            self,
            leases={**self.leases, changed.lease_id: changed},
            revisions={**self.revisions, knob: self.revisions.get(knob, 0) + 1},
        )

    def apply_all(self, events: Iterable[LeaseEvent]) -> LeaseBook:
        """The book after *events*, in order."""
        book = self
        for event in events:
            book = book.apply(event)
        return book

    def forget(self, now: float) -> LeaseBook:
        """The book without leases and commands that ended more than a day ago, or more than a thousand ends ago."""
        leases = {one.lease_id: one for one in self.leases.values()}
        for lease_id in _stale(((one.ended_at, one.lease_id) for one in self.leases.values()), now):
            del leases[lease_id]
        commands = {one.command_id: one for one in self.commands.values()}
        for command_id in _stale(((one.ended_at, one.command_id) for one in self.commands.values()), now):
            del commands[command_id]
        if len(leases) == len(self.leases) and len(commands) == len(self.commands):
            return self
        return replace(self, leases=leases, commands=commands)

    # -- inside

    def _lease_with_key(self, key: str) -> Lease | None:
        return next((one for one in self.leases.values() if one.request.idempotency_key == key), None)

    def _check_key(self, key: str) -> None:
        lease = self._lease_with_key(key)
        command = next((one for one in self.commands.values() if one.request.idempotency_key == key), None)
        if lease is not None or command is not None:
            what = f"lease {lease.lease_id}" if lease else f"command {command.command_id if command else ''}"
            raise IdempotencyKeyReused(
                f"idempotency_key '{key}' belongs to {what} with other content; "
                f"use a new key for a new {'lease' if lease else 'command'}"
            )

    def _check_revision(self, knob: str, if_match: Collection[str] | None) -> None:
        now = self.revision(knob)
        if if_match is not None and now not in if_match and ANY_REVISION not in if_match:
            raise RevisionMismatch(
                f"{knob} is at revision {now}, not {' or '.join(sorted(if_match)) or 'none'}: "
                "its leases have changed since; look at them before writing again",
                knob,
            )


def _stale(ends: Iterable[tuple[float | None, str]], now: float) -> Iterator[str]:
    ended = sorted((at, one_id) for at, one_id in ends if at is not None)
    kept = {one_id for at, one_id in ended[-MAX_NUM_ENDED:] if at > now - FORGET_AFTER_S}
    return (one_id for _, one_id in ended if one_id not in kept)


def _names(owners: list[str]) -> str:
    return owners[0] if len(owners) == 1 else f"{owners[0]} and {len(owners) - 1} more"
