"""Leases: emergency settings with an owner, a reason and an expiry, and the events that change them, as pure values.

A lease is live, then perhaps ramping or holding (its end has come, and it still counts), then ended. It remembers
nothing that it could restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from serving_stub.frontdoor.command import Commanded, Completed
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.knob import Mode, OnEnd, Value


class LeaseState(StrEnum):
    """Whether a lease still counts; in all states but the last it is in force."""

    LIVE = "live"
    RAMPING = "ramping"
    HOLDING = "holding"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a lease ended, or is on its way to its end."""

    RELEASED = "released"
    EXPIRED = "expired"
    READMITTED = "readmitted"
    UNUSABLE = "unusable"
    """The server was started again and cannot obey it: it has no such knob any more, or the value does not fit."""


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """What somebody asks for; two requests with one idempotency key must be equal in everything.

    Args:
        on_end: None takes what is usual for the knob.
    """

    knob: str
    value: Value | None
    mode: Mode
    ttl_s: float
    owner: str
    reason: str
    idempotency_key: str
    on_end: OnEnd | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A granted request.

    Args:
        request: what was granted, its value and `on_end` written out.
        created_at, expires_at, ended_at: seconds since the epoch.
        in_force_before: the knob's number just before the grant; of layers and switches, how many there were.
        strength: see Layer.
        changed_at: when it was last renewed, took a step or began to hold.
        end_reason: known from the moment at which it begins to end.
    """

    lease_id: str
    request: LeaseRequest
    created_at: float
    expires_at: float
    in_force_before: int
    ended_at: float | None = None
    end_reason: EndReason | None = None
    strength: float = 1.0
    changed_at: float | None = None
    is_holding: bool = False

    @property
    def state(self) -> LeaseState:
        if self.ended_at is not None:
            return LeaseState.ENDED
        if self.end_reason is None:
            return LeaseState.LIVE
        return LeaseState.HOLDING if self.is_holding else LeaseState.RAMPING

    @property
    def is_in_force(self) -> bool:
        """Whether it counts: live, ramping or holding."""
        return self.ended_at is None

    @property
    def on_end(self) -> OnEnd:
        return self.request.on_end or "release"

    @property
    def last_time(self) -> float:
        """The latest time that it knows of."""
        return max(self.created_at, self.changed_at or 0.0, self.ended_at or 0.0)

    def layer(self) -> Layer[Value]:
        """What it puts in force."""
        value = {} if self.request.value is None else self.request.value
        return Layer(value, self.strength, self.lease_id, self.request.mode)


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease came into being. A compacted journal holds one for each lease it still knows, in its last state."""

    lease: Lease
    event: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True)
class Renewed:
    """A lease's expiry moved; if it was ramping or holding after it expired, it is live again."""

    lease_id: str
    expires_at: float
    renewed_at: float | None = None
    event: Literal["renewed"] = "renewed"


@dataclass(frozen=True, slots=True)
class Ramped:
    """A lease's end has come and it goes in steps: it has *strength* left. The first may still be at full strength."""

    lease_id: str
    at: float
    strength: float
    end_reason: EndReason
    event: Literal["ramped"] = "ramped"


@dataclass(frozen=True, slots=True)
class Held:
    """A lease's end has come and it stays until the server is healthy."""

    lease_id: str
    at: float
    end_reason: EndReason
    event: Literal["held"] = "held"


@dataclass(frozen=True, slots=True)
class Ended:
    """A lease ended."""

    lease_id: str
    ended_at: float
    end_reason: EndReason
    event: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Counted:
    """How often each knob's leases have changed; a compacted journal ends with one."""

    revisions: Mapping[str, int]
    event: Literal["counted"] = "counted"


@dataclass(frozen=True, slots=True)
class Noted:
    """Nothing changed; something is to be remembered about it."""

    event: Literal["noted"] = "noted"


LeaseChange = Renewed | Ramped | Held | Ended
LeaseEvent = Granted | LeaseChange | Counted | Noted | Commanded | Completed
