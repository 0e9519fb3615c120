"""`serving.set_batch`: lowers how many sequences a server runs in one step, as a lease that ends by itself.

A smaller batch needs fewer KV blocks at a time, so sequences are no longer preempted and recomputed. Nothing is
dropped: requests wait a little longer for their first token instead.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.control import ControlClient, LeaseAnswer
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.yamlfile import format_duration

KNOB = "batch_limit"


class SetBatchArguments(BaseModel):
    """What `serving.set_batch` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    limit: int = Field(ge=1, description="The largest number of sequences that run in one step.")
    mode: Literal["finish", "preempt"] = Field(
        default="finish",
        description="finish: admit nothing until enough have finished; preempt: put the newest back into the queue.",
    )
    cluster: str = Field(default="", description="The cluster; the one of the alert unless stated.")


class SetBatchOutputs(BaseModel):
    """What `serving.set_batch` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(description="The batch limit in force.")
    limit_before: int = Field(description="The one in force before.")


class ServingSetBatch(Action[SetBatchArguments]):
    """Sets the batch limit of one cluster."""

    name: ClassVar[str] = "serving.set_batch"
    summary: ClassVar[str] = "Lower the batch limit of a cluster; the setting is a lease."
    arguments = SetBatchArguments
    outputs = SetBatchOutputs
    is_reversible: ClassVar[bool] = True
    takes_lease: ClassVar[bool] = True

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def locks(self, arguments: SetBatchArguments) -> tuple[str, ...]:
        return (f"{arguments.cluster}/{KNOB}",)

    async def prior(self, arguments: SetBatchArguments) -> Facts:
        knob = await self._control.knob(arguments.cluster, KNOB)
        return {"in_force": knob.in_force, "base": knob.base}

    def describe(self, arguments: SetBatchArguments, prior: Facts, ttl_s: float | None) -> Description:
        now = int(prior["in_force"])
        lease = format_duration(ttl_s or 0)
        if now < arguments.limit:
            # The smallest lease wins, so a larger one would sit under it without effect.
            will_do = (
                f"keep the batch limit of {arguments.cluster} at {now}, which is already below {arguments.limit}, "
                f"and at {arguments.limit} or less"
            )
        else:
            will_do = f"set the batch limit of {arguments.cluster} from {now} to {arguments.limit}"
        return Description(
            f"{will_do} for {lease} at a time, renewed while the incident is open",
            f"ends by itself {lease} after the last renewal; Undo takes it back to {now} at once",
        )

    async def act(self, arguments: SetBatchArguments, context: ActionContext) -> Outcome:
        lease = await self._control.grant(
            arguments.cluster,
            {
                "knob": KNOB,
                "value": arguments.limit,
                "mode": arguments.mode,
                "ttl_s": context.ttl_s,
                "owner": context.run_id,
                "reason": context.reason,
                "idempotency_key": context.idempotency_key,
            },
        )
        return _outcome(arguments, lease)

    async def find(self, arguments: SetBatchArguments, idempotency_key: str) -> Outcome | None:
        lease = await self._control.find(arguments.cluster, idempotency_key)
        return None if lease is None else _outcome(arguments, lease)

    async def renew(self, arguments: SetBatchArguments, lease_id: str, ttl_s: float) -> None:
        await self._control.renew(arguments.cluster, lease_id, ttl_s)

    async def release(self, arguments: SetBatchArguments, lease_id: str) -> str:
        await self._control.release(arguments.cluster, lease_id)
        knob = await self._control.knob(arguments.cluster, KNOB)
        if knob.in_force == knob.base:
            return f"batch limit of {arguments.cluster} is {knob.base} again"
        return f"batch limit of {arguments.cluster} is {knob.in_force} now: other leases hold it below {knob.base}"


def _outcome(arguments: SetBatchArguments, lease: LeaseAnswer) -> Outcome:
    # The answer to a repeated request tells the value in force at that later time, so the text is made from the lease.
    limit = min(lease.value, lease.in_force_before)
    return Outcome(
        f"Batch limit of {arguments.cluster} set from {lease.in_force_before} to {limit}",
        {"limit": limit, "limit_before": lease.in_force_before},
        lease.lease_id,
    )
