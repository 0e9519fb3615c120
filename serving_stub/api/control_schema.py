"""Wire types of the control API. Unknown fields are refused: a misspelt setting must not pass for an obeyed one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from serving_stub.api.errors import ErrorBody
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import Command, CommandKind, CommandState
from serving_stub.frontdoor.knob import Fold, LayeredKnob, Mode, NumberKnob, OnEnd, SwitchKnob, Value
from serving_stub.frontdoor.lease import EndReason, Lease, LeaseRequest, LeaseState

TtlSeconds = Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def _check_value(value: Any) -> Value | None:
    if value is None or isinstance(value, dict) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("an integer or an object is needed, or nothing for a switch")


AnyValue = Annotated[
    Any,
    AfterValidator(_check_value),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "object"}, {"type": "null"}]}),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class GrantBody(_Body):
    """Body of POST /control/v1/leases."""

    knob: Word
    value: AnyValue = None
    mode: Mode = "finish"
    ttl_s: TtlSeconds
    on_end: OnEnd | None = None
    stack: bool = False
    owner: Word
    reason: Reason
    idempotency_key: Word

    def request(self) -> LeaseRequest:
        """The domain's value."""
        return LeaseRequest(
            self.knob,
            self.value,
            self.mode,
            self.ttl_s,
            self.owner,
            self.reason,
            self.idempotency_key,
            self.on_end,
        )


class RenewBody(_Body):
    """Body of POST /control/v1/leases/{lease_id}/renew."""

    ttl_s: TtlSeconds


class RestartBody(_Body):
    """Body of POST /control/v1/restart."""

    when: Literal["drained", "now"] = "drained"
    drain_timeout_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 60.0
    owner: Word
    reason: Reason
    idempotency_key: Word


class ReadmitBody(_Body):
    """Body of POST /control/v1/readmit."""

    owner: Word
    reason: Reason
    idempotency_key: Word


class LeaseView(BaseModel):
    """A lease as answered; `in_force` and `revision` are the knob's at the time of the answer."""

    lease_id: str
    knob: str
    value: AnyValue
    mode: Mode
    owner: str
    reason: str
    idempotency_key: str
    state: LeaseState
    on_end: OnEnd
    strength: float
    created_at: float
    expires_at: float
    ended_at: float | None
    end_reason: EndReason | None
    in_force_before: int
    in_force: int
    revision: str

    @classmethod
    def of(cls, lease: Lease, book: LeaseBook, skew_s: float) -> Self:
        """What to answer about *lease*, its times moved by *skew_s*: 0 unless a fault was asked for."""
        request = lease.request
        return cls(
            lease_id=lease.lease_id,
            knob=request.knob,
            value=request.value,
            mode=request.mode,
            owner=request.owner,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
            state=lease.state,
            on_end=lease.on_end,
            strength=lease.strength if lease.is_in_force else 0.0,
            created_at=lease.created_at + skew_s,
            expires_at=lease.expires_at + skew_s,
            ended_at=None if lease.ended_at is None else lease.ended_at + skew_s,
            end_reason=lease.end_reason,
            in_force_before=lease.in_force_before,
            # A lease from before a restart may be of a knob that the server has no more.
            in_force=book.figure(request.knob) if request.knob in book.knobs else 0,
            revision=book.revision(request.knob),
        )


class LeaseList(BaseModel):
    """Leases, the oldest first."""

    leases: list[LeaseView]


class LayerView(BaseModel):
    """One lease in force of a knob of layers."""

    lease_id: str
    value: AnyValue
    strength: float


class _Knob(BaseModel):
    knob: str
    scope: str
    on_ends: list[OnEnd]
    revision: str
    leases: list[str]


class NumberView(_Knob):
    """A number: its base value, what is in force, and the leases that make it so."""

    kind: Literal["number"] = "number"
    base: int
    in_force: int
    fold: Fold
    minimum: int
    maximum: int


class LayeredView(_Knob):
    """A knob of layers, all in force side by side; `fold` says in words what is made of them."""

    kind: Literal["layers"] = "layers"
    fold: str
    layers: list[LayerView]


class SwitchView(_Knob):
    """A switch, on while any lease is in force."""

    kind: Literal["switch"] = "switch"
    in_force: bool


KnobView = NumberView | LayeredView | SwitchView


def knob_view(book: LeaseBook, name: str) -> KnobView:
    """What to answer about one knob.

    Raises: UnknownKnob.
    """
    knob = book.knob(name)
    leases = book.of(name)
    common: dict[str, Any] = {
        "knob": name,
        "scope": knob.scope,
        "on_ends": list(knob.on_ends),
        "revision": book.revision(name),
        "leases": [lease.lease_id for lease in leases],
    }
    match knob:
        case NumberKnob(base=base, minimum=minimum, maximum=maximum, fold=fold):
            return NumberView(
                **common, base=base, in_force=book.figure(name), fold=fold, minimum=minimum, maximum=maximum
            )
        case LayeredKnob(fold=rule):
            layers = [
                LayerView(lease_id=one.lease_id, value=one.request.value, strength=one.strength) for one in leases
            ]
            return LayeredView(**common, fold=rule, layers=layers)
        case SwitchKnob():
            return SwitchView(**common, in_force=bool(leases))


class KnobList(BaseModel):
    """Every knob."""

    knobs: list[KnobView]


class StaleBody(ErrorBody):
    """An error, and beside it the knob as it is now."""

    knob: KnobView


class CommandView(BaseModel):
    """A command as answered."""

    command_id: str
    kind: CommandKind
    state: CommandState
    owner: str
    reason: str
    idempotency_key: str
    created_at: float
    ended_at: float | None
    detail: str

    @classmethod
    def of(cls, command: Command) -> Self:
        """What to answer about *command*."""
        request = command.request
        return cls(
            command_id=command.command_id,
            kind=request.kind,
            state=command.state,
            owner=request.owner,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
            created_at=command.created_at,
            ended_at=command.ended_at,
            detail=command.detail,
        )


class CommandList(BaseModel):
    """Commands, the oldest first."""

    commands: list[CommandView]


class AuditList(BaseModel):
    """Changes and refusals, the oldest first."""

    notes: list[Note]
