"""A fleet's file as it is written. What one part says of another is checked in `spec`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from serving_stub.fleet.outage_limits import OutageLimits
from serving_stub.fleet.router_settings import RouterSettings
from serving_stub.roofline.catalogue import NumberFormat
from serving_stub.yamlfile import Duration

FaultName = Literal[
    "fault.latency_ms",
    "fault.error_percent",
    "fault.stall",
    "fault.slow_step_ms",
    "fault.lost_kv_blocks",
    "fault.metrics_blackout",
    "fault.metrics_frozen",
    "fault.crash_every_s",
    "fault.clock_skew_s",
]
PlainName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=60)]
Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
MOST_CLUSTERS = 500

_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Sizes(_Row):
    """What `defaults` may say for all clusters, and each cluster for itself; see `spec.ClusterSpec`."""

    gpu: str | None = None
    num_gpus: _Count | None = None
    efficiency: Annotated[float, Field(gt=0, le=1)] | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    model: str | None = None
    weight_format: NumberFormat | None = None
    kv_format: NumberFormat | None = None
    max_num_seqs: _Count | None = None
    max_num_batched_tokens: _Count | None = None
    block_size: _Count | None = None
    num_blocks: _Count | None = None
    max_model_len: _Count | None = None
    weight: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    door: Path | None = None
    tenants: Path | None = None


class ClusterRow(Sizes):
    """One cluster, or *count* alike."""

    name: PlainName
    region: PlainName
    countries: tuple[Country, ...] = ()
    count: Annotated[int, Field(ge=1, le=MOST_CLUSTERS)] = 1

    @property
    def names(self) -> tuple[str, ...]:
        """`tokyo`, or with a count `tokyo-1`, `tokyo-2` …"""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}-{one}" for one in range(1, self.count + 1))


class FaultRow(_Row):
    """A fault of one cluster or of all in a region, for a while."""

    where: str
    knob: FaultName
    value: int
    for_s: Annotated[Duration, Field(gt=0, le=86_400)] = Field(alias="for")


class EventRow(_Row):
    """What happens to the fleet by itself at a time after its start."""

    at: Annotated[Duration, Field(ge=0)]
    lose: str | None = None
    restore: str | None = None
    fault: FaultRow | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(one is not None for one in (self.lose, self.restore, self.fault)) != 1:
            raise ValueError("an event is one of lose, restore and fault")
        return self


class FleetFile(_Row):
    """The whole file."""

    name: PlainName
    defaults: Sizes = Sizes()
    clusters: tuple[ClusterRow, ...] = Field(min_length=1)
    router: RouterSettings = RouterSettings()
    limits: OutageLimits = OutageLimits()
    events: tuple[EventRow, ...] = ()
