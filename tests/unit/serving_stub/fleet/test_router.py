"""The router: home first, then room; whom it believes; and shares that follow weights."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_stub.fleet.router import Chosen, ClusterView, NoRoute, Refused, Trust, Way, route
from serving_stub.fleet.router_settings import RouterSettings
from serving_stub.fleet.smooth_draws import SmoothDraws

USUAL = RouterSettings()
EMPTY = ClusterView("us", "m", ("US",), 100, 0.0, 0, 0, 0.0, True, True, 1.0, 0)
TOKYO = replace(EMPTY, name="jp", countries=("JP",))
FULL_US = replace(EMPTY, kv_usage=0.95, running=50)


def chosen(*views: ClusterView, country: str = "US", draw: float = 0.5, **weights: float) -> Chosen:
    """The decision, which is no refusal."""
    decision = route(country, "m", views, weights, USUAL, draw)
    assert isinstance(decision, Chosen)
    return decision


@pytest.mark.parametrize(
    ("us", "country", "cluster", "way"),
    [
        (EMPTY, "US", "us", Way.HOME),
        (FULL_US, "US", "jp", Way.SPILL),
        (replace(EMPTY, running=60, waiting=40), "US", "jp", Way.SPILL),
        (replace(EMPTY, running=10, waiting=10, wait_s=0.9), "US", "us", Way.HOME),
        (replace(EMPTY, running=10, waiting=10, wait_s=1.0), "US", "jp", Way.SPILL),
        (replace(EMPTY, waiting=1, wait_s=math.inf), "US", "jp", Way.SPILL),
        (replace(EMPTY, is_healthy=False), "US", "jp", Way.SPILL),
        (replace(EMPTY, is_taking=False), "US", "jp", Way.SPILL),
        (replace(EMPTY, is_taking=False), "FR", "jp", Way.NO_HOME),
    ],
)
def test_home_first_then_room(us: ClusterView, country: str, cluster: str, way: Way) -> None:
    """A full, slow, sick or drained home sends its users on, however far."""
    decision = chosen(us, TOKYO, country=country)
    assert (decision.cluster, decision.way) == (cluster, way)


def test_where_nobody_has_room() -> None:
    """The less loaded gets more, and the door there decides."""
    two = replace(FULL_US, name="worse", running=300)
    picks = Counter(chosen(FULL_US, two, draw=number / 100).cluster for number in range(100))
    assert chosen(FULL_US, two).way is Way.FULL
    assert picks == {"us": 74, "worse": 26}


def test_where_everybody_waits_the_shorter_wait_gets_more() -> None:
    """In proportion; a cluster that will not get to it at all gets none, unless all are like that."""
    waiting = replace(EMPTY, waiting=10, wait_s=4.0)
    stuck = replace(waiting, name="stuck", wait_s=math.inf)
    for other, expected in ((replace(waiting, name="worse", wait_s=12.0), 75), (stuck, 100)):
        picks = Counter(chosen(waiting, other, draw=number / 100).cluster for number in range(100))
        assert picks["us"] == expected
    assert chosen(stuck).way is Way.FULL


def test_refusals() -> None:
    """No cluster has the model, or all that have it are out; the record says what was seen."""
    out = replace(EMPTY, is_taking=False)
    no_model = route("US", "other", [EMPTY], {}, USUAL, 0.0)
    assert isinstance(no_model, Refused)
    assert no_model.reason is NoRoute.NO_CLUSTER_FOR_MODEL
    all_out = route("US", "m", [out], {}, USUAL, 0.0)
    assert isinstance(all_out, Refused)
    assert all_out.reason is NoRoute.ALL_OUT
    assert [one.view for one in all_out.seen] == [out]


def test_weight_0() -> None:
    """It takes nothing while others have more, even full ones; with 0 everywhere all count alike, and it is noted."""
    assert chosen(EMPTY, TOKYO, us=0.0).cluster == "jp"
    assert chosen(FULL_US, TOKYO, jp=0.0).cluster == "us"
    decision = chosen(EMPTY, TOKYO, us=0.0, jp=0.0)
    assert (decision.cluster, decision.is_weightless) == ("us", True)
    assert not chosen(EMPTY, TOKYO, us=0.0).is_weightless


@pytest.mark.parametrize(
    ("view", "trust", "load"),
    [
        (replace(EMPTY, own_count=20), Trust.BELIEVED, 0.2),
        (replace(EMPTY, own_count=40), Trust.CONTRADICTED, 0.5),
        (replace(FULL_US, age_s=11.0, own_count=8), Trust.TOO_OLD, 0.1),
        (replace(FULL_US, age_s=float("inf")), Trust.TOO_OLD, 0.0),
        (replace(FULL_US, age_s=float("nan")), Trust.TOO_OLD, 0.0),
        (replace(EMPTY, kv_usage=float("nan")), Trust.IMPOSSIBLE, 0.0),
        (replace(EMPTY, kv_usage=1.5), Trust.IMPOSSIBLE, 0.0),
        (replace(EMPTY, running=-1), Trust.IMPOSSIBLE, 0.0),
        (replace(EMPTY, wait_s=-0.1), Trust.IMPOSSIBLE, 0.0),
        (replace(EMPTY, wait_s=math.nan), Trust.IMPOSSIBLE, 0.0),
        (replace(EMPTY, waiting=1, wait_s=math.inf), Trust.BELIEVED, math.inf),
        (replace(EMPTY, running=5, waiting=5, wait_s=0.5, own_count=10), Trust.BELIEVED, 0.5),
        (replace(EMPTY, running=5, waiting=5, wait_s=0.5, own_count=20), Trust.BELIEVED, 1.5),
    ],
)
def test_whom_the_router_believes(view: ClusterView, trust: Trust, load: float) -> None:
    """Old, impossible and contradicted views are replaced by the router's own count over 0.8 of the batch limit.

    What it sent since a view was taken makes the wait longer.
    """
    (seen,) = chosen(view).seen
    assert seen.trust is trust
    assert seen.load == pytest.approx(load)


def test_a_burst_since_the_view_is_no_lie() -> None:
    """What was sent since cannot be in a view: it counts for the load alone. At the next look it has to be there."""
    (burst,) = chosen(EMPTY.later(0.9, own_count=60)).seen
    assert burst.trust is Trust.BELIEVED
    assert burst.load == 0.6
    (later,) = chosen(EMPTY.later(0.9, own_count=60).later(0.95, own_count=70)).seen
    assert later.trust is Trust.BELIEVED
    (frozen,) = chosen(replace(EMPTY, own_count=60).later(0.5, own_count=60)).seen
    assert frozen.trust is Trust.CONTRADICTED
    assert frozen.load == pytest.approx(0.75)


def test_a_frozen_cluster_is_not_drowned() -> None:
    """Its metrics say empty for ever; the own count ends that at 0.8 of the batch limit."""
    own = 0
    for _ in range(300):
        decision = chosen(replace(EMPTY, own_count=own), TOKYO)
        own += decision.cluster == "us"
    assert own == 80


WEIGHT = st.one_of(st.just(0.0), st.floats(0.1, 10.0))


@settings(max_examples=40, deadline=None)
@given(st.lists(WEIGHT, min_size=1, max_size=8), st.integers(0, 2**31), st.integers(300, 900))
def test_shares_follow_weights(weights: list[float], seed: int, num: int) -> None:
    """Of at least 300 requests of one kind each cluster gets its share within 0.02."""
    views = [replace(EMPTY, name=str(number)) for number in range(len(weights))]
    named = {str(number): weight for number, weight in enumerate(weights)}
    draws = SmoothDraws(seed)
    decisions = [route("US", "m", views, named, USUAL, draws.next("US", "m")) for _ in range(num)]
    got = Counter(decision.cluster for decision in decisions if isinstance(decision, Chosen))
    total = sum(weights)
    for name, weight in named.items():
        share = weight / total if total else 1 / len(weights)
        assert abs(got[name] / num - share) <= 0.02


VIEW = st.builds(
    ClusterView,
    name=st.just(""),
    model=st.sampled_from(["m", "n"]),
    countries=st.sampled_from([(), ("US",), ("JP",), ("US", "JP")]),
    batch_limit=st.integers(0, 100),
    kv_usage=st.floats(),
    running=st.integers(-1, 200),
    waiting=st.integers(0, 200),
    wait_s=st.floats(),
    is_healthy=st.booleans(),
    is_taking=st.booleans(),
    age_s=st.floats(),
    own_count=st.integers(0, 300),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VIEW, max_size=6), st.lists(st.lists(st.floats(), min_size=6, max_size=6), min_size=1, max_size=4),
       st.floats(0, 1, exclude_max=True), st.sampled_from(["US", "JP", "FR"]))  # fmt: skip
def test_nothing_is_lost_and_no_cluster_that_is_out_gets_any(
    found: list[ClusterView], changes: list[list[float]], draw: float, country: str
) -> None:
    """Through any change of weights each request goes to one cluster of its model that is in, or all are out."""
    views = [replace(view, name=str(number)) for number, view in enumerate(found)]
    able = {view.name for view in views if view.model == "m" and view.is_healthy and view.is_taking}
    for weights in changes:
        named = {str(number): weight for number, weight in enumerate(weights)}
        decision = route(country, "m", views, named, USUAL, draw)
        assert decision.seen == route(country, "m", views, named, USUAL, draw).seen
        if isinstance(decision, Chosen):
            assert decision.cluster in able
        else:
            assert not able
