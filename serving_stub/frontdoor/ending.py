"""What the end of a lease means: gone at once, in steps while the load allows, or only once the server is well.

Pure: a lease, a time and what the server says of itself give the event that is due, if any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from serving_stub.frontdoor.lease import Ended, EndReason, Held, Lease, LeaseChange, LeaseState, Ramped, Renewed
from serving_stub.frontdoor.ramp import RampPlan


@dataclass(frozen=True, slots=True)
class Gates:
    """What the server says while leases are at their end.

    Args:
        may_ramp: whether the load allows another step.
        is_healthy: whether a drained or fenced server is well again.
    """

    may_ramp: bool
    is_healthy: bool


CLOSED = Gates(may_ramp=False, is_healthy=False)
"""Before the server runs nobody can say."""


def changed(lease: Lease, event: LeaseChange) -> Lease:
    """*lease* after *event*."""
    match event:
        case Renewed(_, expires_at, renewed_at):
            return replace(
                lease, expires_at=expires_at, changed_at=renewed_at, strength=1.0, is_holding=False, end_reason=None
            )
        case Ramped(_, at, strength, end_reason):
            return replace(lease, changed_at=at, strength=strength, is_holding=False, end_reason=end_reason)
        case Held(_, at, end_reason):
            return replace(lease, changed_at=at, is_holding=True, end_reason=end_reason)
        case Ended(_, ended_at, end_reason):
            return replace(lease, ended_at=ended_at, end_reason=end_reason)


def due(lease: Lease, now: float, gates: Gates, plan: RampPlan) -> LeaseChange | None:
    """What time and gates bring about for *lease* at *now*; None while nothing does."""
    match lease.state:
        case LeaseState.LIVE if lease.expires_at <= now:
            return end(lease, now, lease.expires_at, EndReason.EXPIRED, gates, plan)
        case LeaseState.RAMPING if gates.may_ramp and next_due(lease, plan) <= now:
            return _step(lease, now, lease.end_reason or EndReason.EXPIRED, plan)
        case LeaseState.HOLDING if gates.is_healthy:
            return Ended(lease.lease_id, now, lease.end_reason or EndReason.EXPIRED)
        case _:
            return None


def end(lease: Lease, now: float, ended_at: float, reason: EndReason, gates: Gates, plan: RampPlan) -> LeaseChange:
    """The end of *lease* has come: what that means. One that simply ends has ended at *ended_at*."""
    match lease.on_end:
        case "ramp":
            return _step(lease, now, reason, plan) if gates.may_ramp else Ramped(lease.lease_id, now, 1.0, reason)
        case "hold_unhealthy" if not gates.is_healthy:
            return Held(lease.lease_id, now, reason)
        case _:
            return Ended(lease.lease_id, ended_at, reason)


def _step(lease: Lease, now: float, reason: EndReason, plan: RampPlan) -> LeaseChange:
    strength = plan.next(lease.strength)
    return Ramped(lease.lease_id, now, strength, reason) if strength else Ended(lease.lease_id, now, reason)


def next_due(lease: Lease, plan: RampPlan) -> float:
    """When `due` may find something; in the past while it waits for a gate."""
    match lease.state:
        case LeaseState.RAMPING:
            # Whoever waits at full strength has not taken a step yet, and needs no pause after one.
            return (lease.changed_at or 0.0) + (plan.step_s if lease.strength < 1 else 0.0)
        case LeaseState.HOLDING:
            return lease.changed_at or 0.0
        case _:
            return lease.expires_at
