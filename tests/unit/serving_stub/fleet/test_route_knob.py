"""What leases of `route` and `fault.lose` come to."""

from __future__ import annotations

from itertools import permutations

import pytest

from serving_stub.errors import InvalidValue
from serving_stub.fleet.route_knob import (
    LOSE,
    ROUTE,
    LoseValue,
    RouteValue,
    check_where,
    lost,
    weights_in_force,
    with_route,
)
from serving_stub.fleet.spec import FleetSpec, load_fleet
from serving_stub.frontdoor.fold import Layer

FLEET = """
name: three
defaults: {gpu: h100, model: llama-3.1-8b}
clusters:
  - {name: w, region: us-west, count: 2, weight: 2}
  - {name: j-1, region: japan}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> FleetSpec:
    """Three clusters in two regions, two of them of weight 2."""
    path = tmp_path_factory.mktemp("fleet") / "three.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return load_fleet(path)


def layer(where: str, factor: float, strength: float = 1.0) -> Layer[RouteValue]:
    """A lease in force."""
    return Layer(RouteValue(where=where, factor=factor), strength, f"{where}-{factor}")


def test_without_leases(fleet: FleetSpec) -> None:
    """Weights are the file's."""
    assert weights_in_force(fleet, ()) == {"w-1": 2, "w-2": 2, "j-1": 1}


def test_factors_multiply(fleet: FleetSpec) -> None:
    """Every factor that means a cluster counts, by its name or its region, in whatever order they came."""
    layers = (layer("w-1", 0.5), layer("us-west", 3), layer("w-1", 0.25), layer("japan", 4))
    for some_order in permutations(layers):
        assert weights_in_force(fleet, some_order) == pytest.approx({"w-1": 0.75, "w-2": 6, "j-1": 4})


@pytest.mark.parametrize(("factor", "weight"), [(0, 1.5), (0.5, 1.75), (1, 2), (5, 4)])
def test_a_lease_that_ramps(fleet: FleetSpec, factor: float, weight: float) -> None:
    """At a quarter of its strength it counts for a quarter of the way from 1."""
    assert weights_in_force(fleet, [layer("w-1", factor, 0.25)])["w-1"] == pytest.approx(weight)


def test_nothing_is_sent(fleet: FleetSpec) -> None:
    """0 stays 0 whatever else multiplies it, and says nothing about others."""
    assert weights_in_force(fleet, [layer("us-west", 0), layer("w-2", 100)]) == {"w-1": 0, "w-2": 0, "j-1": 1}


def test_one_lease_more(fleet: FleetSpec) -> None:
    """It counts in full beside those that are there."""
    more = with_route(fleet, (layer("us-west", 0.5),), {"where": "w-1", "factor": 0.5})
    assert more == pytest.approx({"w-1": 0.5, "w-2": 1, "j-1": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"where": "us-wset", "factor": 0}, "route: there is no cluster or region 'us-wset', did you mean 'us-west'?"),
        ({"where": "w-3", "factor": 0}, "route: there is no cluster or region 'w-3', did you mean 'w-2'?"),
        ({"where": "mars", "factor": 0}, "route: there is no cluster or region 'mars'"),
        (None, "route: where: Field required; factor: Field required"),
        (3, "route takes an object with: where, factor"),
        ({"where": "w-1", "factor": -1}, "route: factor: Input should be greater than or equal to 0"),
        ({"where": "w-1", "factor": float("nan")}, "route: factor: Input should be a finite number"),
        ({"where": "w-1", "factor": 1, "for": 3}, "route: for: Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(fleet: FleetSpec, value: dict[str, object] | int | None, message: str) -> None:
    """With what is nearest, or what a value must be."""
    with pytest.raises(InvalidValue) as told:
        with_route(fleet, (), value)
    assert str(told.value) == message


def test_what_is_lost(fleet: FleetSpec) -> None:
    """A cluster or a region, while any lease means it."""
    layers = [Layer(LoseValue(where=where), strength, where) for where, strength in (("us-west", 0.1), ("w-1", 1.0))]
    assert lost(fleet, layers) == {"w-1", "w-2"}
    assert lost(fleet, layers[1:]) == {"w-1"}
    assert lost(fleet, ()) == frozenset()
    with pytest.raises(
        InvalidValue, match=r"fault\.lose: there is no cluster or region 'japn', did you mean 'japan'\?"
    ):
        check_where(fleet, LOSE.name, "japn")
    check_where(fleet, LOSE.name, "japan")


def test_how_they_may_end() -> None:
    """Traffic comes back in steps unless a lease says otherwise; what was lost is back at once."""
    assert (ROUTE.on_ends, LOSE.on_ends) == (("ramp", "release"), ("release",))
