"""Leases: emergency settings with an owner, a reason and an expiry, as pure values.

A request is *decided* into an event, the event is journalled, then *applied*; replaying the journal applies the same
events, so state after a restart cannot differ. The value in force is always folded anew from base value and live
leases: no lease remembers what to restore, hence none can restore a value under a younger one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from serving_stub.errors import IdempotencyKeyReused, LeaseEnded, LeaseNotFound, UnknownKnob, ValueOutOfRange

Mode = Literal["finish", "preempt"]
"""How a smaller batch is reached: admit nothing until enough finish, or put the newest back into the queue."""

Fold = Literal["min", "max", "furthest"]

FORGET_AFTER_S = 24 * 3600.0
MAX_NUM_ENDED = 1000


class LeaseState(StrEnum):
    """Whether a lease still counts."""

    LIVE = "live"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a lease ended."""

    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting that leases may lower (`min`), raise (`max`), or move from zero in either direction (`furthest`).

    Args:
        fold: which of base value and live leases is in force: the smallest, the largest, or the furthest from zero.
    """

    name: str
    base: int
    minimum: int
    maximum: int
    fold: Fold = "min"


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """What somebody asks for; two requests with one idempotency key must be equal in everything."""

    knob: str
    value: int
    mode: Mode
    ttl_s: float
    owner: str
    reason: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A granted request.

    Args:
        request: what was granted.
        created_at, expires_at, ended_at: seconds since the epoch.
        in_force_before: the knob's value in force just before the grant.
    """

    lease_id: str
    request: LeaseRequest
    created_at: float
    expires_at: float
    in_force_before: int
    ended_at: float | None = None
    end_reason: EndReason | None = None

    @property
    def state(self) -> LeaseState:
        return LeaseState.LIVE if self.ended_at is None else LeaseState.ENDED

    @property
    def is_live(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease came into being. A compacted journal holds one for each lease it still knows, in its last state."""

    lease: Lease
    event: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True)
class Renewed:
    """A live lease's expiry moved."""

    lease_id: str
    expires_at: float
    event: Literal["renewed"] = "renewed"


@dataclass(frozen=True, slots=True)
class Ended:
    """A lease ended."""

    lease_id: str
    ended_at: float
    end_reason: EndReason
    event: Literal["ended"] = "ended"


LeaseEvent = Granted | Renewed | Ended


@dataclass(frozen=True, slots=True)
class InForce:
    """A knob's value now, and how the engine is to get there."""

    value: int
    mode: Mode


def fold(knob: Knob, live: Iterable[LeaseRequest]) -> InForce:
    """The value in force: the fold of base value and live leases, whatever their order.

    Among leases of that same value one `preempt` is enough to preempt.
    """
    requests = [request for request in live if request.knob == knob.name]
    values = (knob.base, *(request.value for request in requests))
    match knob.fold:
        case "min":
            value = min(values)
        case "max":
            value = max(values)
        case "furthest":
            value = max(values, key=lambda one: (abs(one), one))
    preempts = any(request.value == value and request.mode == "preempt" for request in requests)
    return InForce(value, "preempt" if preempts else "finish")


@dataclass(frozen=True, slots=True)
class LeaseBook:
    """Every lease the server knows, by id in order of grant; a value, so an operation that fails changes nothing."""

    knobs: Mapping[str, Knob]
    leases: Mapping[str, Lease]

    def in_force(self, knob: str) -> InForce:
        """The fold of *knob* now."""
        return fold(self._knob(knob), (lease.request for lease in self.live()))

    def live(self) -> tuple[Lease, ...]:
        return tuple(lease for lease in self.leases.values() if lease.is_live)

    def get(self, lease_id: str) -> Lease:
        """Raises: LeaseNotFound."""
        if lease_id not in self.leases:
            raise LeaseNotFound(f"no lease '{lease_id}' is known here; GET /control/v1/leases lists those that are")
        return self.leases[lease_id]

    def with_key(self, idempotency_key: str) -> Lease | None:
        """The lease granted under *idempotency_key*, live or ended."""
        return next((one for one in self.leases.values() if one.request.idempotency_key == idempotency_key), None)

    def grant(self, request: LeaseRequest, lease_id: str, now: float) -> Granted | Lease:
        """Decide a request: a new lease, or the one already granted under the same key with the same content.

        Raises: UnknownKnob, ValueOutOfRange, IdempotencyKeyReused.
        """
        known = self.with_key(request.idempotency_key)
        if known is not None:
            if known.request != request:
                raise IdempotencyKeyReused(
                    f"idempotency_key '{request.idempotency_key}' belongs to lease {known.lease_id} "
                    "with other content; use a new key for a new lease"
                )
            return known
        knob = self._knob(request.knob)
        if not knob.minimum <= request.value <= knob.maximum:
            raise ValueOutOfRange(
                f"{knob.name} is {request.value}, expected an integer from {knob.minimum} to {knob.maximum}"
            )
        before = self.in_force(knob.name).value
        return Granted(Lease(lease_id, request, now, now + request.ttl_s, in_force_before=before))

    def renew(self, lease_id: str, ttl_s: float, now: float) -> Renewed:
        """Decide a renewal: the expiry moves to *now* + *ttl_s*.

        Raises: LeaseNotFound, LeaseEnded.
        """
        lease = self.get(lease_id)
        if not lease.is_live:
            how = "has expired" if lease.end_reason is EndReason.EXPIRED else "was released"
            raise LeaseEnded(f"lease {lease_id} {how}; ask for a new lease")
        return Renewed(lease_id, now + ttl_s)

    def release(self, lease_id: str, now: float) -> Ended | None:
        """Decide a release; None when the lease has ended already.

        Raises: LeaseNotFound.
        """
        return Ended(lease_id, now, EndReason.RELEASED) if self.get(lease_id).is_live else None

    def due(self, now: float) -> tuple[Ended, ...]:
        """The ends of all live leases whose time is up."""
        return tuple(
            Ended(lease.lease_id, lease.expires_at, EndReason.EXPIRED)
            for lease in self.live()
            if lease.expires_at <= now
        )

    def next_expiry(self) -> float | None:
        """When the next live lease expires; None when none is live."""
        return min((lease.expires_at for lease in self.live()), default=None)

    def apply(self, event: LeaseEvent) -> LeaseBook:
        """The book after *event*; events for leases that are forgotten or ended change nothing."""
        match event:
            case Granted(lease):
                changed = lease
            case Renewed(lease_id, expires_at):
                known = self.leases.get(lease_id)
                if known is None or not known.is_live:
                    return self
                changed = replace(known, expires_at=expires_at)
            case Ended(lease_id, ended_at, end_reason):
                known = self.leases.get(lease_id)
                if known is None or not known.is_live:
                    return self
                changed = replace(known, ended_at=ended_at, end_reason=end_reason)
        return LeaseBook(self.knobs, {**self.leases, changed.lease_id: changed})

    def apply_all(self, events: Iterable[LeaseEvent]) -> LeaseBook:
        """The book after *events*, in order."""
        book = self
        for event in events:
            book = book.apply(event)
        return book

    def forget(self, now: float) -> LeaseBook:
        """The book without leases that ended more than a day ago, or more than a thousand ends ago."""
        ended = sorted((lease.ended_at, lease.lease_id) for lease in self.leases.values() if lease.ended_at is not None)
        kept = {lease_id for ended_at, lease_id in ended[-MAX_NUM_ENDED:] if ended_at > now - FORGET_AFTER_S}
        leases = {one.lease_id: one for one in self.leases.values() if one.is_live or one.lease_id in kept}
        return self if len(leases) == len(self.leases) else LeaseBook(self.knobs, leases)

    def _knob(self, name: str) -> Knob:
        if name not in self.knobs:
            raise UnknownKnob(f"knob is '{name}', expected one of: {', '.join(sorted(self.knobs))}")
        return self.knobs[name]
