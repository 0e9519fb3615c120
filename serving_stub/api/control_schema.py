"""Wire types of the control API. Unknown fields are refused: a misspelt setting must not pass for an obeyed one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.frontdoor.lease import EndReason, Fold, Knob, Lease, LeaseRequest, LeaseState, Mode

TtlSeconds = Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class GrantBody(_Body):
    """Body of POST /control/v1/leases."""

    knob: Word
    value: int
    mode: Mode = "finish"
    ttl_s: TtlSeconds
    owner: Word
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    idempotency_key: Word

    def request(self) -> LeaseRequest:
        """The domain's value."""
        return LeaseRequest(self.knob, self.value, self.mode, self.ttl_s, self.owner, self.reason, self.idempotency_key)


class RenewBody(_Body):
    """Body of POST /control/v1/leases/{lease_id}/renew."""

    ttl_s: TtlSeconds


class LeaseView(BaseModel):
    """A lease as answered; `in_force` is the knob's value at the time of the answer."""

    lease_id: str
    knob: str
    value: int
    mode: Mode
    owner: str
    reason: str
    idempotency_key: str
    state: LeaseState
    on_end: Literal["release"] = "release"
    created_at: float
    expires_at: float
    ended_at: float | None
    end_reason: EndReason | None
    in_force_before: int
    in_force: int

    @classmethod
    def of(cls, lease: Lease, in_force: int, skew_s: float) -> Self:
        """What to answer about *lease*, its times moved by *skew_s*: 0 unless a fault was asked for."""
        return cls(
            lease_id=lease.lease_id,
            knob=lease.request.knob,
            value=lease.request.value,
            mode=lease.request.mode,
            owner=lease.request.owner,
            reason=lease.request.reason,
            idempotency_key=lease.request.idempotency_key,
            state=lease.state,
            created_at=lease.created_at + skew_s,
            expires_at=lease.expires_at + skew_s,
            ended_at=None if lease.ended_at is None else lease.ended_at + skew_s,
            end_reason=lease.end_reason,
            in_force_before=lease.in_force_before,
            in_force=in_force,
        )


class LeaseList(BaseModel):
    """Leases, the oldest first."""

    leases: list[LeaseView]


class KnobView(BaseModel):
    """A knob: its base value, what is in force, and the live leases that make it so."""

    knob: str
    base: int
    in_force: int
    fold: Fold
    minimum: int
    maximum: int
    leases: list[str]

    @classmethod
    def of(cls, knob: Knob, in_force: int, leases: list[str]) -> Self:
        """What to answer about *knob*."""
        return cls(
            knob=knob.name,
            base=knob.base,
            in_force=in_force,
            fold=knob.fold,
            minimum=knob.minimum,
            maximum=knob.maximum,
            leases=leases,
        )


class KnobList(BaseModel):
    """Every knob."""

    knobs: list[KnobView]
