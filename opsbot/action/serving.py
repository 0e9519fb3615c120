"""What an engine may use of its machine, as leases that end by themselves: `serving.set_batch`,
`serving.set_token_budget`.

A smaller batch needs fewer KV blocks at a time, so sequences are no longer preempted and recomputed; fewer tokens a
step make each step shorter. Nothing is dropped: requests wait a little longer for their first token instead.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.control_answers import LeaseAnswer
from opsbot.action.lease import LeaseAction, LeaseArguments
from opsbot.runbook.action import Facts

EndOfLimit = Literal["release", "ramp"]
END_OF_LIMIT = "release: back at once; ramp: back in steps while the engine has room."


class LimitArguments(LeaseArguments):
    """What both take."""

    limit: int = Field(ge=1, description="The largest number of sequences that run in one step.")
    on_end: EndOfLimit = Field(default="release", description=END_OF_LIMIT)


class SetBatchArguments(LimitArguments):
    """What `serving.set_batch` takes."""

    mode: Literal["finish", "preempt"] = Field(
        default="finish",
        description="finish: admit nothing until enough have finished; preempt: put the newest back into the queue.",
    )


class SetTokenBudgetArguments(LimitArguments):
    """What `serving.set_token_budget` takes."""

    limit: int = Field(ge=16, description="The largest number of tokens of one step, prefill and decode together.")


class LimitOutputs(BaseModel):
    """What both yield."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(description="The limit in force.")
    limit_before: int = Field(description="The one in force before.")
    lease_id: str = Field(description="The lease's id on the server.")


M = TypeVar("M", bound=LimitArguments)


class _SetLimit(LeaseAction[M]):
    """Sets a limit of one cluster; of several leases the smallest is in force."""

    outputs = LimitOutputs

    def value(self, arguments: M) -> int:
        return arguments.limit

    def undoes_to(self, prior: Facts) -> str:
        return f" to {int(prior['in_force'])}"

    def in_force_after(self, arguments: M, prior: Facts) -> int:
        return min(int(prior["in_force"]), arguments.limit)

    def will_do(self, arguments: M, prior: Facts) -> str:
        now = int(prior["in_force"])
        if now < arguments.limit:
            # The smallest lease wins, so a larger one would sit under it without effect.
            return (
                f"keep the {self.words} of {arguments.cluster} at {now}, which is already below {arguments.limit}, "
                f"and at {arguments.limit} or less"
            )
        return f"set the {self.words} of {arguments.cluster} from {now} to {arguments.limit}"

    def did(self, arguments: M, lease: LeaseAnswer) -> str:
        limit = min(arguments.limit, lease.in_force_before)
        return f"{self.words.capitalize()} of {arguments.cluster} set from {lease.in_force_before} to {limit}"

    def got(self, arguments: M, lease: LeaseAnswer) -> Facts:
        limit = min(arguments.limit, lease.in_force_before)
        return {"limit": limit, "limit_before": lease.in_force_before, "lease_id": lease.lease_id}

    async def released(self, arguments: M) -> str:
        knob = await self._control.knob(arguments.cluster, self.knob)
        if knob.in_force == knob.base:
            return f"{self.words} of {arguments.cluster} is {knob.base} again"
        return f"{self.words} of {arguments.cluster} is {knob.in_force} now: other leases hold it below {knob.base}"


class ServingSetBatch(_SetLimit[SetBatchArguments]):
    """Sets the batch limit of one cluster."""

    name: ClassVar[str] = "serving.set_batch"
    summary: ClassVar[str] = "Lower the batch limit of a cluster."
    knob: ClassVar[str] = "batch_limit"
    words: ClassVar[str] = "batch limit"
    arguments = SetBatchArguments

    def more(self, arguments: SetBatchArguments) -> dict[str, object]:
        return {"mode": arguments.mode}


class ServingSetTokenBudget(_SetLimit[SetTokenBudgetArguments]):
    """Sets how many tokens a step of one cluster may have."""

    name: ClassVar[str] = "serving.set_token_budget"
    summary: ClassVar[str] = "Lower the tokens of one step of a cluster."
    knob: ClassVar[str] = "token_budget"
    words: ClassVar[str] = "token budget"
    arguments = SetTokenBudgetArguments
