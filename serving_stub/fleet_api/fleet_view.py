"""The fleet as one value, for programs (`GET /clusters`) and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from serving_stub.fleet.outage import Out, out_share, states_of
from serving_stub.fleet.router import Trust
from serving_stub.fleet.spec import FleetSpec
from serving_stub.fleet_api.cluster import LiveCluster
from serving_stub.fleet_api.live_router import LiveRouter


class ClusterState(BaseModel):
    """One cluster as the router sees it.

    Args:
        url: below the fleet's own.
        weight: in force.
        load: 1 is full.
        age_s: of what was seen; None where it was never seen.
        wait_s: what a newcomer would wait for its turn.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    url: str
    region: str
    countries: tuple[str, ...]
    gpu: str
    num_gpus: int
    model: str
    capacity_tokens_per_s: float
    weight: float
    out: Out | None
    load: float
    trust: Trust
    age_s: float | None
    kv_usage: float
    running: int
    waiting: int
    wait_s: float
    batch_limit: int


class FleetState(BaseModel):
    """All clusters, in the file's order."""

    model_config = ConfigDict(frozen=True)

    name: str
    out_share: float
    clusters: tuple[ClusterState, ...]


def fleet_state(fleet: FleetSpec, router: LiveRouter, clusters: Sequence[LiveCluster]) -> FleetState:
    """The fleet now."""
    out = router.out()
    return FleetState(
        name=fleet.name,
        out_share=out_share(states_of(fleet, out)),
        clusters=tuple(
            ClusterState(
                name=spec.name,
                url=f"/clusters/{spec.name}",
                region=spec.region,
                countries=spec.countries,
                gpu=spec.sizes.gpu,
                num_gpus=spec.sizes.num_gpus,
                model=spec.model.name,
                capacity_tokens_per_s=spec.capacity_tokens_per_s,
                weight=seen.weight,
                out=out.get(spec.name),
                load=seen.load,
                trust=seen.trust,
                age_s=seen.view.age_s if seen.view.age_s < float("inf") else None,
                kv_usage=seen.view.kv_usage,
                running=seen.view.running,
                waiting=seen.view.waiting,
                wait_s=seen.view.wait_s,
                batch_limit=seen.view.batch_limit,
            )
            for spec, seen in zip((one.spec for one in clusters), router.seen(), strict=True)
        ),
    )
