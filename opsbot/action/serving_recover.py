"""Looking at a cluster's knobs and putting all of them back: `serving.knobs`, `serving.release_all`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.control import FLEET, ControlClient
from opsbot.action.control_answers import KnobAnswer, LeaseAnswer
from opsbot.action.lease import LeaseArguments
from opsbot.action.serving_commands import OWN_OWNERS
from opsbot.errors import ActionError, OpsbotError
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome

_MOST_SHOWN = 10


class KnobsArguments(LeaseArguments):
    """What `serving.knobs` takes."""


class KnobsOutputs(BaseModel):
    """What `serving.knobs` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_force: dict[str, int | bool] = Field(
        description="By knob: a number's value, whether a switch is on, how many layers there are."
    )
    base: dict[str, int] = Field(description="By knob, of numbers: the value without leases.")
    leases: int = Field(description="Leases in force, of all knobs.")


class ServingKnobs(Action[KnobsArguments]):
    """Reads what is in force."""

    name: ClassVar[str] = "serving.knobs"
    summary: ClassVar[str] = "Read what is in force on a cluster, knob by knob."
    arguments = KnobsArguments
    outputs = KnobsOutputs
    is_read_only: ClassVar[bool] = True

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def act(self, arguments: KnobsArguments, context: ActionContext) -> Outcome:
        knobs = await self._control.knobs(arguments.cluster)
        changed = [knob for knob in knobs if not knob.is_at_base]
        shown = ", ".join(f"{knob.knob} {_shown(knob)}" for knob in changed[:_MOST_SHOWN])
        more = f" and {len(changed) - _MOST_SHOWN} more" if len(changed) > _MOST_SHOWN else ""
        outputs = {
            "in_force": {knob.knob: knob.figure for knob in knobs},
            "base": {knob.knob: knob.base for knob in knobs if knob.base is not None},
            "leases": sum(len(knob.leases) for knob in knobs),
        }
        return Outcome(f"In force on {arguments.cluster}: {shown or 'nothing but base values'}{more}", outputs)


def _shown(knob: KnobAnswer) -> str:
    if knob.kind == "switch":
        return "on" if knob.figure else "off"
    if knob.kind == "layers":
        return f"({len(knob.layers)} layers)" if len(knob.layers) != 1 else "(one layer)"
    return f"{knob.figure} instead of {knob.base}"


class ReleaseAllArguments(LeaseArguments):
    """What `serving.release_all` takes."""

    whose: Literal["everybody", "opsbot"] = Field(
        default="everybody", description="everybody: whoever has set it; opsbot: only what its runs and drills left."
    )
    knobs: list[str] | None = Field(default=None, min_length=1, description="These knobs alone; all unless stated.")
    now: bool = Field(
        default=False, description="At once, without ramps, and without waiting until the server is healthy."
    )


class ReleaseAllOutputs(BaseModel):
    """What `serving.release_all` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    released: int = Field(description="Leases that were brought to their end.")
    ramping: int = Field(description="Those of them that give way in steps.")
    holding: int = Field(description="Those of them that stay until the server is healthy.")
    in_force: dict[str, int | bool] = Field(description="What is in force afterwards, by knob.")
    at_base: bool = Field(description="Whether every knob is at its base value.")


@dataclass(frozen=True, slots=True)
class _Found:
    """One lease, and whose control API has it."""

    place: str
    lease: LeaseAnswer


class ServingReleaseAll(Action[ReleaseAllArguments]):
    """Puts every knob of a cluster back to its base value."""

    name: ClassVar[str] = "serving.release_all"
    summary: ClassVar[str] = "Put every knob of a cluster back to its base value: release every lease."
    arguments = ReleaseAllArguments
    outputs = ReleaseAllOutputs

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def locks(self, arguments: ReleaseAllArguments) -> tuple[str, ...]:
        # Not each knob's lock: runs that hold a setting would keep it from ever being taken back.
        return (f"{arguments.cluster}/release_all",)

    async def prior(self, arguments: ReleaseAllArguments) -> Facts:
        found = [one.lease for one in await self._found(arguments)]
        leases = [{"knob": one.knob, "owner": one.owner, "on_end": one.on_end} for one in found[:50]]
        return {"leases": leases, "num_leases": len(found)}

    def describe(self, arguments: ReleaseAllArguments, prior: Facts, ttl_s: float | None) -> Description:
        knobs = sorted({str(one["knob"]) for one in prior["leases"]})
        count = int(prior["num_leases"])
        what = f"{count} lease{'' if count == 1 else 's'}" + (f" ({', '.join(knobs)})" if knobs else "")
        whose = "" if arguments.whose == "everybody" else " of opsbot's own"
        how = "at once" if arguments.now else "each as it ends, ramps in steps"
        return Description(
            f"put {arguments.cluster} back to base values: release {what}{whose}, {how}",
            "there is no undo; what is still needed must be set again",
        )

    async def act(self, arguments: ReleaseAllArguments, context: ActionContext) -> Outcome:
        found = await self._found(arguments)
        ended: list[LeaseAnswer | None] = []
        problems: list[OpsbotError] = []
        for one in found:
            try:
                ended.append(await self._control.release(one.place, one.lease.lease_id, is_now=arguments.now))
            except OpsbotError as error:
                # One that fails must not keep the others.
                problems.append(error)
        if problems:
            raise ActionError(
                f"{len(problems)} of {len(found)} leases of {arguments.cluster} could not be released: {problems[0]}",
                retryable=any(problem.retryable for problem in problems),
            )
        return await self._outcome(arguments, ended)

    async def find(self, arguments: ReleaseAllArguments, idempotency_key: str) -> Outcome | None:
        # Releasing again what has ended changes nothing, so a lost answer is simply repeated.
        return None

    async def _found(self, arguments: ReleaseAllArguments) -> tuple[_Found, ...]:
        found = [_Found(arguments.cluster, lease) for lease in await self._control.leases_in_force(arguments.cluster)]
        if self._control.has_fleet:
            found += [
                _Found(FLEET, lease)
                for lease in await self._control.leases_in_force(FLEET)
                if isinstance(lease.value, dict) and lease.value.get("where") == arguments.cluster
            ]
        return tuple(one for one in found if self._is_meant(arguments, one.lease))

    def _is_meant(self, arguments: ReleaseAllArguments, lease: LeaseAnswer) -> bool:
        if arguments.knobs is not None and lease.knob not in arguments.knobs:
            return False
        return arguments.whose == "everybody" or lease.owner.startswith(OWN_OWNERS)

    async def _outcome(self, arguments: ReleaseAllArguments, ended: list[LeaseAnswer | None]) -> Outcome:
        states = [one.state for one in ended if one is not None]
        knobs = await self._control.knobs(arguments.cluster)
        outputs = {
            "released": len(ended),
            "ramping": states.count("ramping"),
            "holding": states.count("holding"),
            "in_force": {knob.knob: knob.figure for knob in knobs},
            "at_base": all(knob.is_at_base for knob in knobs),
        }
        text = f"Released {len(ended)} lease{'' if len(ended) == 1 else 's'} of {arguments.cluster}"
        left = [f"{knob.knob} {_shown(knob)}" for knob in knobs if not knob.is_at_base]
        if outputs["ramping"]:
            text += f"; {outputs['ramping']} give way in steps while the engine has room"
        if outputs["holding"]:
            text += f"; {outputs['holding']} stay until the server is healthy"
        text += f"; in force now: {', '.join(left[:_MOST_SHOWN])}" if left else "; every knob is at its base value"
        return Outcome(text, outputs)
