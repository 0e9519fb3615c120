"""`fault.*`: breaks a server on purpose, by a lease that ends by itself. For drills alone, which put it right again."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.action.control import FLEET
from opsbot.action.control_answers import LeaseAnswer
from opsbot.action.lease import LayerAction, LayerOutputs, LeaseAction, LeaseArguments, beside
from opsbot.people import Role
from opsbot.runbook.action import Facts

F = TypeVar("F", bound=LeaseArguments)


class _Fault(LeaseAction[F]):
    outputs = LayerOutputs
    is_for_drills: ClassVar[bool] = True
    role: ClassVar[Role] = "commander"

    @abstractmethod
    def does(self, arguments: F) -> str:
        """What the fault does, as a clause after `so that`."""

    def value(self, arguments: F) -> int:
        found = getattr(arguments, "value", 1)
        assert isinstance(found, int)
        return found

    def got(self, arguments: F, lease: LeaseAnswer) -> Facts:
        return {"lease_id": lease.lease_id, "others": int(lease.in_force_before != 0)}

    def will_do(self, arguments: F, prior: Facts) -> str:
        return f"break {arguments.cluster} on purpose, so that {self.does(arguments)},"

    def now(self, arguments: F, prior: Facts) -> str:
        count = int(prior["num_leases"])
        return f"{beside(count)} in force: {self.knob} is {prior['in_force']}" if count else "it is whole"

    def did(self, arguments: F, lease: LeaseAnswer) -> str:
        return f"DRILL: {arguments.cluster} is broken on purpose, so that {self.does(arguments)}"

    async def released(self, arguments: F) -> str:
        knob = await self._control.look(arguments.cluster, self.knob)
        if knob.is_at_base:
            return f"{self.knob} of cluster {arguments.cluster} is {knob.base} again"
        return f"{self.knob} of cluster {arguments.cluster} is {knob.in_force} now: other leases hold it"


class LatencyArguments(LeaseArguments):
    """What `fault.latency_ms` takes."""

    value: int = Field(ge=1, le=60_000, description="Milliseconds by which every generation is taken later.")


class FaultLatency(_Fault[LatencyArguments]):
    """Makes every answer late."""

    name: ClassVar[str] = "fault.latency_ms"
    summary: ClassVar[str] = "Take every generation so many milliseconds later, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = LatencyArguments

    def does(self, arguments: LatencyArguments) -> str:
        return f"every generation is taken {arguments.value} ms later"


class ErrorArguments(LeaseArguments):
    """What `fault.error_percent` takes."""

    value: int = Field(ge=1, le=100, description="Percent of the generations that fail with 500.")


class FaultErrors(_Fault[ErrorArguments]):
    """Lets generations fail."""

    name: ClassVar[str] = "fault.error_percent"
    summary: ClassVar[str] = "Let so many percent of the generations fail with 500, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = ErrorArguments

    def does(self, arguments: ErrorArguments) -> str:
        return f"{arguments.value}% of the generations fail"


class FaultStall(_Fault[LeaseArguments]):
    """Lets no token come out."""

    name: ClassVar[str] = "fault.stall"
    summary: ClassVar[str] = "Keep /health green while no token comes out, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = LeaseArguments

    def does(self, arguments: LeaseArguments) -> str:
        return "no token comes out while /health stays green"


class SlowStepArguments(LeaseArguments):
    """What `fault.slow_step_ms` takes."""

    value: int = Field(ge=1, le=60_000, description="Milliseconds by which every step takes longer.")


class FaultSlowStep(_Fault[SlowStepArguments]):
    """Makes every step of the engine longer."""

    name: ClassVar[str] = "fault.slow_step_ms"
    summary: ClassVar[str] = "Let every step take so many milliseconds longer, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = SlowStepArguments

    def does(self, arguments: SlowStepArguments) -> str:
        return f"every step takes {arguments.value} ms longer"


class LostBlocksArguments(LeaseArguments):
    """What `fault.lost_kv_blocks` takes."""

    value: int = Field(ge=1, description="KV blocks that are out of use; at most the server's pool less one.")


class FaultLostBlocks(_Fault[LostBlocksArguments]):
    """Takes KV blocks away."""

    name: ClassVar[str] = "fault.lost_kv_blocks"
    summary: ClassVar[str] = "Take so many KV blocks out of use, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = LostBlocksArguments

    def does(self, arguments: LostBlocksArguments) -> str:
        return f"{arguments.value} KV blocks are out of use"


class FaultMetricsBlackout(_Fault[LeaseArguments]):
    """Hides the metrics."""

    name: ClassVar[str] = "fault.metrics_blackout"
    summary: ClassVar[str] = "Let /metrics answer 503, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = LeaseArguments

    def does(self, arguments: LeaseArguments) -> str:
        return "/metrics answers 503"


class FaultMetricsFrozen(_Fault[LeaseArguments]):
    """Lets the metrics stand still."""

    name: ClassVar[str] = "fault.metrics_frozen"
    summary: ClassVar[str] = "Let /metrics go on showing what it showed, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = LeaseArguments

    def does(self, arguments: LeaseArguments) -> str:
        return "/metrics goes on showing what it shows now"


class CrashArguments(LeaseArguments):
    """What `fault.crash_every_s` takes."""

    value: int = Field(ge=1, le=3600, description="Seconds between two deaths of the engine.")


class FaultCrash(_Fault[CrashArguments]):
    """Lets the engine die again and again."""

    name: ClassVar[str] = "fault.crash_every_s"
    summary: ClassVar[str] = "Let the engine die now and then every so many seconds, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = CrashArguments

    def does(self, arguments: CrashArguments) -> str:
        return f"the engine dies now and then every {arguments.value} s"


class SkewArguments(LeaseArguments):
    """What `fault.clock_skew_s` takes."""

    value: int = Field(ge=-86_400, le=86_400, description="Seconds by which the times in answers are ahead.")


class FaultClockSkew(_Fault[SkewArguments]):
    """Lets the server's clock be wrong."""

    name: ClassVar[str] = "fault.clock_skew_s"
    summary: ClassVar[str] = "Let the times in answers be so many seconds ahead, or behind, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = name
    arguments = SkewArguments

    def does(self, arguments: SkewArguments) -> str:
        return f"times in answers are {abs(arguments.value)} s {'behind' if arguments.value < 0 else 'ahead'}"


class LoseArguments(BaseModel):
    """What `fault.lose` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    where: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(
        description="A cluster, or a region and so each of its clusters."
    )


class FaultLose(LayerAction[LoseArguments]):
    """Lets a cluster or a region be gone."""

    name: ClassVar[str] = "fault.lose"
    summary: ClassVar[str] = "Let a cluster or a region of the fleet be gone, for drills."
    knob: ClassVar[str] = name
    words: ClassVar[str] = "loss"
    arguments = LoseArguments
    is_for_drills: ClassVar[bool] = True
    role: ClassVar[Role] = "commander"

    def cluster(self, arguments: LoseArguments) -> str | None:
        return arguments.where

    def place(self, arguments: LoseArguments) -> str:
        return FLEET

    def locks(self, arguments: LoseArguments) -> tuple[str, ...]:
        return (f"{arguments.where}/{self.knob}",)

    def value(self, arguments: LoseArguments) -> dict[str, Any]:
        return {"where": arguments.where}

    def will_do(self, arguments: LoseArguments, prior: Facts) -> str:
        return f"let {arguments.where} be gone on purpose: nothing of it answers, and what runs on it ends,"

    def did(self, arguments: LoseArguments, lease: LeaseAnswer) -> str:
        return f"DRILL: {arguments.where} is gone on purpose"


FAULTS = (
    FaultLatency,
    FaultErrors,
    FaultStall,
    FaultSlowStep,
    FaultLostBlocks,
    FaultMetricsBlackout,
    FaultMetricsFrozen,
    FaultCrash,
    FaultClockSkew,
    FaultLose,
)
"""Every fault that can be armed."""
