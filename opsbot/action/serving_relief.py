"""What turns callers away so that the rest are served: `serving.shed` and `serving.failwhale`, as leases that ramp."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from opsbot.action.control_answers import LeaseAnswer
from opsbot.action.lease import LayerAction, LeaseArguments, beside
from opsbot.action.selector import Selector
from opsbot.clock import from_rfc3339, to_rfc3339
from opsbot.runbook.action import Facts

EndOfRelief = Literal["ramp", "release"]
END_OF_RELIEF = "ramp: let them back in in steps while the engine has room; release: all at once."
MAX_MESSAGE_CHARS = 500


class ShedArguments(LeaseArguments):
    """What `serving.shed` takes."""

    fraction: float = Field(
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the callers to turn away; of all requests, the lowest class first, without a selector.",
    )
    selector: Selector = Field(default=Selector(), description="Whom it concerns; everybody unless stated.")
    on_end: EndOfRelief = Field(default="ramp", description=END_OF_RELIEF)


class ServingShed(LayerAction[ShedArguments]):
    """Turns a share of the callers away."""

    name: ClassVar[str] = "serving.shed"
    summary: ClassVar[str] = "Turn a share of the callers away (429) so that the rest are served."
    knob: ClassVar[str] = "shed"
    words: ClassVar[str] = "shedding"
    arguments = ShedArguments

    def value(self, arguments: ShedArguments) -> dict[str, Any]:
        return {"fraction": arguments.fraction, "selector": arguments.selector.wire()}

    def will_do(self, arguments: ShedArguments, prior: Facts) -> str:
        return f"turn away {_share(arguments)} on {arguments.cluster} (429, try again in 30 to 60 s)"

    def now(self, arguments: ShedArguments, prior: Facts) -> str:
        shed = max((float(one["value"]["fraction"]) * one["strength"] for one in prior["layers"]), default=0.0)
        return f"up to {shed:.0%} are turned away there by {_leases(prior)}" if shed else "nobody is shed there"

    def did(self, arguments: ShedArguments, lease: LeaseAnswer) -> str:
        also = f"; {beside(lease.in_force_before)} in force beside it" if lease.in_force_before else ""
        return f"Turning away {_share(arguments)} on {arguments.cluster}{also}"


def _share(arguments: ShedArguments) -> str:
    if arguments.selector.is_everybody:
        return f"{arguments.fraction:.0%} of all requests, lowest class first,"
    return f"{arguments.fraction:.0%} of {arguments.selector.words()}"


def _leases(prior: Facts) -> str:
    count = int(prior["num_leases"])
    return "one lease" if count == 1 else f"{count} leases"


def _is_moment(value: str | float) -> str | float:
    try:
        return from_rfc3339(value) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no time such as 2026-01-31T12:00:00Z") from error


class FailwhaleArguments(LeaseArguments):
    """What `serving.failwhale` takes."""

    message: Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARS)] | None = Field(
        default=None, description="What people are told, as plain text; honest words of the server's unless stated."
    )
    probe_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="Share of callers who are served all the same, so that recovery shows.",
    )
    retry_after_s: int = Field(
        default=60, ge=1, le=86_400, description="When to try again, in seconds, where `back_at` does not say."
    )
    back_at: Annotated[str | float, AfterValidator(_is_moment)] | None = Field(
        default=None, description="When service is expected back: RFC 3339, or seconds since the epoch."
    )
    selector: Selector = Field(default=Selector(), description="Whom it concerns; everybody unless stated.")
    on_end: EndOfRelief = Field(default="ramp", description=END_OF_RELIEF)


class ServingFailwhale(LayerAction[FailwhaleArguments]):
    """Puts the failwhale up."""

    name: ClassVar[str] = "serving.failwhale"
    summary: ClassVar[str] = "Turn callers away whole, with an honest page (503) and a time to come back."
    knob: ClassVar[str] = "failwhale"
    words: ClassVar[str] = "failwhale"
    arguments = FailwhaleArguments

    def value(self, arguments: FailwhaleArguments) -> dict[str, Any]:
        value = {
            "selector": arguments.selector.wire(),
            "message": arguments.message,
            "probe_share": arguments.probe_share,
            "retry_after_s": arguments.retry_after_s,
            "back_at": arguments.back_at,
        }
        return {name: one for name, one in value.items() if one is not None}

    def will_do(self, arguments: FailwhaleArguments, prior: Facts) -> str:
        back = f", and are told that service is back at {_moment(arguments)}" if arguments.back_at else ""
        return (
            f"put the failwhale up on {arguments.cluster} while running streams finish: {_turned(arguments)} get no "
            f"answer{back},"
        )

    def now(self, arguments: FailwhaleArguments, prior: Facts) -> str:
        return f"it is up there already by {_leases(prior)}" if prior["num_leases"] else "it is not up there"

    def did(self, arguments: FailwhaleArguments, lease: LeaseAnswer) -> str:
        return f"Failwhale is up on {arguments.cluster} for {_turned(arguments)}"


def _turned(arguments: FailwhaleArguments) -> str:
    who = arguments.selector.words()
    return who if not arguments.probe_share else f"{1 - arguments.probe_share:.0%} of {who}"


def _moment(arguments: FailwhaleArguments) -> str:
    return to_rfc3339(float(arguments.back_at or 0))
