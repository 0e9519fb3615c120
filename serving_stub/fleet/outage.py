"""How much may be out at once: whether one more cluster may be drained, fenced or given weight 0.

Whatever takes no traffic counts, however it came about; a lost cluster too. Shares are of capacity and not of clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from serving_stub.fleet.outage_limits import OutageLimits
from serving_stub.fleet.spec import FleetSpec
from serving_stub.yamlfile import suggest

_ROUNDING = 1e-9
MOST_NAMED = 5
"""Clusters that a message names; the answer itself has all of them."""


class Out(StrEnum):
    """Why a cluster takes no traffic."""

    DRAINED = "drained"
    FENCED = "fenced"
    WEIGHT_0 = "weight 0"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One cluster as the limits see it.

    Args:
        capacity: in any unit that all share, such as tokens a second; not negative.
        out: None while it takes traffic.
    """

    name: str
    region: str
    model: str
    capacity: float
    out: Out | None = None


@dataclass(frozen=True, slots=True)
class OutageGranted:
    """It may go out, or is out already."""

    cluster: str
    is_out_already: bool = False


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that would be broken.

    Args:
        limit: as in the file: `limits.fleet`, `limits.region` of a region, `limits.model` of a model.
        largest, wanted: shares of capacity: what the limit allows, and what would be out.
        already_out: in that part of the fleet, with the reason of each.
    """

    limit: str
    largest: float
    wanted: float
    already_out: tuple[tuple[str, Out], ...]


@dataclass(frozen=True, slots=True)
class OutageRefused:
    """It may not go out.

    Args:
        excesses: every limit in the way; none if there is no such cluster.
    """

    cluster: str
    excesses: tuple[Excess, ...]
    message: str


OutageAnswer = OutageGranted | OutageRefused


def states_of(fleet: FleetSpec, out: Mapping[str, Out]) -> tuple[ClusterState, ...]:
    """The fleet's clusters with their capacity in tokens a second; those in *out* are out."""
    return tuple(
        ClusterState(one.name, one.region, one.model.name, one.capacity_tokens_per_s, out.get(one.name))
        for one in fleet.clusters
    )


def may_go_out(name: str, clusters: Sequence[ClusterState], limits: OutageLimits) -> OutageAnswer:
    """Whether the cluster *name* may be taken out beside those that are."""
    found = next((one for one in clusters if one.name == name), None)
    if found is None:
        near = suggest(name, (one.name for one in clusters))
        return OutageRefused(name, (), f"there is no cluster {name!r}{near}")
    if found.out is not None:
        return OutageGranted(name, is_out_already=True)
    region, model = found.region, found.model
    region_key = f"limits.regions.{region}" if region in limits.regions else f"limits.region of {region}"
    model_key = f"limits.models.{model}" if model in limits.models else f"limits.model of {model}"
    parts: list[tuple[str, float, Callable[[ClusterState], bool]]] = [
        ("limits.fleet", limits.fleet, lambda one: True),
        (region_key, limits.of_region(region), lambda one: one.region == region),
        (model_key, limits.of_model(model), lambda one: one.model == model),
    ]
    excesses = tuple(
        excess
        for limit, largest, is_meant in parts
        if (excess := _excess(limit, largest, [one for one in clusters if is_meant(one)], found)) is not None
    )
    if not excesses:
        return OutageGranted(name)
    return OutageRefused(name, excesses, f"{name} may not go out: " + "; ".join(map(_explain, excesses)))


def out_share(clusters: Iterable[ClusterState]) -> float:
    """The share of their capacity that is out; 0 where there is none."""
    total = out = 0.0
    for one in clusters:
        total += one.capacity
        out += one.capacity if one.out is not None else 0.0
    return out / total if total > 0 else 0.0


def _excess(limit: str, largest: float, part: list[ClusterState], more: ClusterState) -> Excess | None:
    total = sum(one.capacity for one in part)
    out = sum(one.capacity for one in part if one.out is not None) + more.capacity
    wanted = out / total if total > 0 else 1.0
    if wanted <= largest + _ROUNDING:
        return None
    already = tuple((one.name, one.out) for one in part if one.out is not None)
    return Excess(limit, largest, wanted, already)


def _explain(excess: Excess) -> str:
    said = f"{excess.limit} allows {excess.largest:.1%} of capacity out, and this would make {excess.wanted:.1%}"
    if not excess.already_out:
        return f"{said} by itself; raise the limit to allow it"
    out = _list([f"{name} ({reason})" for name, reason in excess.already_out])
    mendable = [name for name, reason in excess.already_out if reason is not Out.LOST]
    advice = f"bring back first: {_list(mendable)}" if mendable else "wait until what is lost is back"
    return f"{said}; out already: {out}; {advice}"


def _list(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
