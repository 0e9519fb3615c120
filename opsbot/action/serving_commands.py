"""Commands of the control API, done once instead of being set for a while: `serving.restart`, `serving.readmit`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.control import ControlClient, where
from opsbot.action.control_answers import CommandAnswer, LeaseAnswer
from opsbot.action.lease import MAX_REASON_CHARS, LeaseArguments
from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.yamlfile import Duration, format_duration

OUT_KNOBS = ("drain", "fence")
OWN_OWNERS = ("run:", "drill:")
"""How owners begin that are runs of opsbot, and not people or other programs."""
_POLL_S = 0.5


class RestartArguments(LeaseArguments):
    """What `serving.restart` takes."""

    when: Literal["drained", "now"] = Field(
        default="drained", description="drained: take no new work and wait for what runs; now: do not wait."
    )
    drain_timeout: Duration = Field(
        default=60.0,
        ge=0,
        le=600,
        description="Longest wait for what runs; the step's `timeout` times its attempts must be longer.",
    )


class RestartOutputs(BaseModel):
    """What `serving.restart` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command_id: str = Field(description="The command's id on the server.")
    detail: str = Field(description="How it went, in the server's words.")


class ServingRestart(Action[RestartArguments]):
    """Starts the engine of one cluster anew."""

    name: ClassVar[str] = "serving.restart"
    summary: ClassVar[str] = "Start a cluster's engine anew, drained or at once; waits until it has started."
    arguments = RestartArguments
    outputs = RestartOutputs

    def __init__(self, control: ControlClient, poll_s: float = _POLL_S) -> None:
        self._control = control
        self._poll_s = poll_s

    def locks(self, arguments: RestartArguments) -> tuple[str, ...]:
        return (f"{arguments.cluster}/restart",)

    def describe(self, arguments: RestartArguments, prior: Facts, ttl_s: float | None) -> Description:
        how = (
            "at once; whoever is in it is told to send again (503 engine_restarted)"
            if arguments.when == "now"
            else f"once what runs has finished, or after {format_duration(arguments.drain_timeout)}; until then it "
            "takes no new work"
        )
        return Description(
            f"start the engine of {arguments.cluster} anew, with an empty KV cache, {how}",
            "there is no undo; the settings in force stay as they are",
        )

    async def act(self, arguments: RestartArguments, context: ActionContext) -> Outcome:
        request = {
            "when": arguments.when,
            "drain_timeout_s": arguments.drain_timeout,
            **request_of(context),
        }
        return await self._follow(arguments, await self._control.command(arguments.cluster, "restart", request))

    async def find(self, arguments: RestartArguments, idempotency_key: str) -> Outcome | None:
        command = await self._control.command_by_key(arguments.cluster, idempotency_key)
        return None if command is None else await self._follow(arguments, command)

    async def _follow(self, arguments: RestartArguments, command: CommandAnswer) -> Outcome:
        import asyncio  # Only who acts needs it; reading runbooks should be quick.

        while command.state == "running":
            await asyncio.sleep(self._poll_s)
            command = await self._control.command_now(arguments.cluster, command.command_id)
        if command.state == "failed":
            raise ActionError(f"the restart of {where(arguments.cluster)} failed: {command.detail}")
        return Outcome(
            f"Engine of {arguments.cluster} {command.detail}",
            {"command_id": command.command_id, "detail": command.detail},
        )


class ReadmitArguments(LeaseArguments):
    """What `serving.readmit` takes."""

    lease_id: str | None = Field(
        default=None,
        min_length=1,
        description="This lease alone, such as `${{ steps.fence.outputs.lease_id }}`; `whose` then does not count.",
    )
    whose: Literal["run", "opsbot", "everybody"] = Field(
        default="run",
        description=(
            "run: what this run has drained and fenced; opsbot: what any of its runs has; everybody: also what people "
            "and other programs have, and only if the server is healthy."
        ),
    )


class ReadmitOutputs(BaseModel):
    """What `serving.readmit` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    released: int = Field(description="Leases of drain and fence that were given back.")
    holding: int = Field(description="Those of them that stay until the server is healthy.")
    in_service: bool = Field(description="Whether the cluster takes work again: no lease of drain or fence is left.")


class ServingReadmit(Action[ReadmitArguments]):
    """Takes a drained or fenced cluster back into service."""

    name: ClassVar[str] = "serving.readmit"
    summary: ClassVar[str] = "Give back leases of drain and fence, so that a cluster takes work again."
    arguments = ReadmitArguments
    outputs = ReadmitOutputs

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def locks(self, arguments: ReadmitArguments) -> tuple[str, ...]:
        return tuple(f"{arguments.cluster}/{knob}" for knob in OUT_KNOBS)

    async def prior(self, arguments: ReadmitArguments) -> Facts:
        return {"leases": [{"owner": one.owner} for one in await self._out(arguments.cluster)][:20]}

    def describe(self, arguments: ReadmitArguments, prior: Facts, ttl_s: float | None) -> Description:
        if arguments.lease_id is not None:
            whose = f"the lease {arguments.lease_id}"
        else:
            whose = {
                "run": "what this run has drained and fenced",
                "opsbot": "what any run of opsbot has drained and fenced",
                "everybody": "whatever has been drained and fenced by anybody, if the server is healthy",
            }[arguments.whose]
        owners = sorted({str(one["owner"]) for one in prior["leases"]})
        now = f"it is out by {', '.join(owners)}" if owners else "nothing keeps it out"
        return Description(
            f"take {arguments.cluster} back into service: give back {whose}; now {now}",
            "there is no undo; drain or fence it again instead",
        )

    async def act(self, arguments: ReadmitArguments, context: ActionContext) -> Outcome:
        if arguments.lease_id is None and arguments.whose == "everybody":
            before = len(await self._out(arguments.cluster))
            await self._control.command(arguments.cluster, "readmit", request_of(context))
            return await self._outcome(arguments, before, 0)
        ended = [
            await self._control.release(arguments.cluster, one.lease_id)
            for one in await self._out(arguments.cluster)
            if self._is_meant(arguments, one, context.run_id)
        ]
        holding = sum(1 for one in ended if one is not None and one.state == "holding")
        return await self._outcome(arguments, len(ended), holding)

    async def find(self, arguments: ReadmitArguments, idempotency_key: str) -> Outcome | None:
        # Giving back again changes nothing more, and a command's key answers the first; so a lost answer is repeated.
        return None

    async def _out(self, cluster: str) -> tuple[LeaseAnswer, ...]:
        """What keeps the cluster out, whatever its owner."""
        found: list[LeaseAnswer] = []
        for knob in OUT_KNOBS:
            found += await self._control.leases_in_force(cluster, knob=knob)
        return tuple(found)

    def _is_meant(self, arguments: ReadmitArguments, lease: LeaseAnswer, run_id: str) -> bool:
        if arguments.lease_id is not None:
            return lease.lease_id == arguments.lease_id
        return lease.owner == run_id or (arguments.whose == "opsbot" and lease.owner.startswith(OWN_OWNERS))

    async def _outcome(self, arguments: ReadmitArguments, released: int, holding: int) -> Outcome:
        left = len(await self._out(arguments.cluster))
        text = f"Gave back {released} lease{'' if released == 1 else 's'} of drain and fence on {arguments.cluster}"
        if holding:
            text += f"; {holding} stay until the server is healthy"
        elif left:
            text += f"; {left} of others still keep it out"
        else:
            text += "; it takes work again"
        return Outcome(text, {"released": released, "holding": holding, "in_service": left == 0})


def request_of(context: ActionContext) -> dict[str, object]:
    """Who asks and why, as commands take it."""
    reason = f"DRILL: {context.reason}" if context.is_drill else context.reason
    return {
        "owner": context.run_id,
        "reason": reason[:MAX_REASON_CHARS],
        "idempotency_key": context.idempotency_key,
    }
