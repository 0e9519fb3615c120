"""The knobs of a whole fleet: `route`, which moves traffic by leases, and `fault.lose`, which takes clusters away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.errors import InvalidValue
from serving_stub.fleet.spec import FleetSpec
from serving_stub.frontdoor.fold import Layer, Layers
from serving_stub.frontdoor.knob import LayeredKnob, Value
from serving_stub.yamlfile import suggest

Where = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class RouteValue(BaseModel):
    """The knob `route`.

    Args:
        where: a cluster, or a region and so each of its clusters.
        factor: by which the weight is multiplied; 0 sends nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Where
    factor: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class LoseValue(BaseModel):
    """The knob `fault.lose`: a cluster or a region that is gone while the lease lives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Where


ROUTE = LayeredKnob(
    "route",
    RouteValue,
    fold="the weight times every factor that means the cluster",
    on_ends=("ramp", "release"),
    scope="route",
)
LOSE = LayeredKnob("fault.lose", LoseValue, fold="gone while any means it", on_ends=("release",), scope="fault")
FLEET_KNOBS = (ROUTE, LOSE)


def weights_in_force(fleet: FleetSpec, layers: Iterable[Layer[RouteValue]]) -> dict[str, float]:
    """Each cluster's weight times the factors of *layers*; one that ramps counts for part of the way from 1."""
    weights = {one.name: one.weight for one in fleet.clusters}
    for layer in layers:
        factor = 1.0 + (layer.value.factor - 1.0) * layer.strength
        for name in fleet.named(layer.value.where):
            weights[name] *= factor
    return weights


def with_route(fleet: FleetSpec, layers: Layers, value: Value | None) -> Mapping[str, float]:
    """The weights that one more lease of `route` would make.

    Raises: InvalidValue.
    """
    more = ROUTE.parse({} if value is None else value)
    assert isinstance(more, RouteValue)
    check_where(fleet, ROUTE.name, more.where)
    return weights_in_force(fleet, (*layers, Layer(more, 1.0, "")))


def lost(fleet: FleetSpec, layers: Iterable[Layer[LoseValue]]) -> frozenset[str]:
    """The clusters that *layers* take away."""
    return frozenset(name for layer in layers for name in fleet.named(layer.value.where))


def check_where(fleet: FleetSpec, knob: str, where: str) -> None:
    """Raises: InvalidValue where *where* is neither a cluster nor a region."""
    if not fleet.named(where):
        known = {*fleet.regions, *(one.name for one in fleet.clusters)}
        raise InvalidValue(f"{knob}: there is no cluster or region {where!r}{suggest(where, known)}")
