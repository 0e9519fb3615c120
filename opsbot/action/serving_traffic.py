"""What sends traffic elsewhere: `serving.drain` and `serving.fence` of one cluster, `serving.route` of a fleet."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.action.control import FLEET
from opsbot.action.control_answers import LeaseAnswer
from opsbot.action.lease import LayerAction, LayerOutputs, LeaseAction, LeaseArguments, beside
from opsbot.runbook.action import Facts


class OutArguments(LeaseArguments):
    """What `serving.drain` and `serving.fence` take."""

    on_end: Literal["hold_unhealthy", "release"] = Field(
        default="hold_unhealthy", description="hold_unhealthy: not before the server is healthy; release: at once."
    )


class _TakeOut(LeaseAction[OutArguments]):
    arguments = OutArguments
    outputs = LayerOutputs

    def value(self, arguments: OutArguments) -> None:
        return None

    def now(self, arguments: OutArguments, prior: Facts) -> str:
        count = int(prior["num_leases"])
        return f"it is so already: {beside(count)} in force" if count else "it takes work as usual"

    async def released(self, arguments: OutArguments) -> str:
        knob = await self._control.look(arguments.cluster, self.knob)
        if knob.is_at_base:
            return f"{self.words} of cluster {arguments.cluster} has ended"
        return f"{self.words} of cluster {arguments.cluster} goes on: {beside(len(knob.leases))} in force"


class ServingDrain(_TakeOut):
    """Lets a cluster take no new work."""

    name: ClassVar[str] = "serving.drain"
    summary: ClassVar[str] = "Let a cluster take no new work while what runs finishes."
    knob: ClassVar[str] = "drain"
    words: ClassVar[str] = "drain"

    def will_do(self, arguments: OutArguments, prior: Facts) -> str:
        return f"drain {arguments.cluster}: it takes no new requests (503 draining), and what runs finishes,"

    def did(self, arguments: OutArguments, lease: LeaseAnswer) -> str:
        return f"Cluster {arguments.cluster} is draining: it takes no new requests"


class ServingFence(_TakeOut):
    """Takes a cluster out of its router."""

    name: ClassVar[str] = "serving.fence"
    summary: ClassVar[str] = "Drain a cluster and let its health check fail, so that routers take it out."
    knob: ClassVar[str] = "fence"
    words: ClassVar[str] = "fence"

    def will_do(self, arguments: OutArguments, prior: Facts) -> str:
        return (
            f"fence {arguments.cluster}: it takes no new requests, /health answers 503 so that routers take it out, "
            "and what runs finishes,"
        )

    def did(self, arguments: OutArguments, lease: LeaseAnswer) -> str:
        return f"Cluster {arguments.cluster} is fenced: it takes no new requests and /health answers 503"


class RouteArguments(BaseModel):
    """What `serving.route` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    where: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(
        description="A cluster, or a region and so each of its clusters."
    )
    factor: float = Field(
        ge=0, le=100, allow_inf_nan=False, description="By which the weight is multiplied; 0 sends nothing."
    )
    on_end: Literal["ramp", "release"] = Field(
        default="ramp", description="ramp: traffic comes back in steps; release: all at once."
    )


class ServingRoute(LayerAction[RouteArguments]):
    """Moves traffic between the clusters of a fleet."""

    name: ClassVar[str] = "serving.route"
    summary: ClassVar[str] = "Multiply the router's weight of a cluster or a region of the fleet."
    knob: ClassVar[str] = "route"
    words: ClassVar[str] = "route"
    arguments = RouteArguments

    def cluster(self, arguments: RouteArguments) -> str | None:
        return arguments.where

    def place(self, arguments: RouteArguments) -> str:
        return FLEET

    def locks(self, arguments: RouteArguments) -> tuple[str, ...]:
        return (f"{arguments.where}/{self.knob}",)

    def value(self, arguments: RouteArguments) -> dict[str, Any]:
        return {"where": arguments.where, "factor": arguments.factor}

    def will_do(self, arguments: RouteArguments, prior: Facts) -> str:
        if arguments.factor == 0:
            return f"send {arguments.where} no traffic"
        return f"multiply the traffic weight of {arguments.where} by {arguments.factor:g}"

    def now(self, arguments: RouteArguments, prior: Facts) -> str:
        factor = 1.0
        for one in prior["layers"]:
            if one["value"].get("where") == arguments.where:
                factor *= 1.0 + (float(one["value"]["factor"]) - 1.0) * float(one["strength"])
        return f"it is multiplied by {factor:g}" if factor != 1.0 else "no lease of its own changes its weight"

    def did(self, arguments: RouteArguments, lease: LeaseAnswer) -> str:
        if arguments.factor == 0:
            return f"Sending {arguments.where} no traffic"
        return f"Traffic weight of {arguments.where} multiplied by {arguments.factor:g}"
