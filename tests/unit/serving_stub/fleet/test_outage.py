"""How much may be out at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_stub.fleet.outage import ClusterState, Out, OutageGranted, OutageRefused, may_go_out, out_share, states_of
from serving_stub.fleet.outage_limits import OutageLimits
from serving_stub.fleet.spec import LAUNCH_DAY, load_fleet

FLEET = [ClusterState(f"c{number}", "west" if number < 4 else "east", "m", 10.0) for number in range(8)]
LIMITS = OutageLimits(fleet=0.25, region=0.5, model=1.0)


def with_out(**out: Out) -> list[ClusterState]:
    """The fleet with some of it out."""
    return [replace(one, out=out.get(one.name)) for one in FLEET]


def test_as_long_as_the_limits_hold() -> None:
    """Exactly the limit is allowed, and what is out may be taken out again."""
    assert may_go_out("c0", FLEET, LIMITS) == OutageGranted("c0")
    assert may_go_out("c1", with_out(c0=Out.DRAINED), LIMITS) == OutageGranted("c1")
    assert may_go_out("c0", with_out(c0=Out.DRAINED, c1=Out.LOST, c2=Out.LOST), LIMITS) == OutageGranted("c0", True)


@pytest.mark.parametrize(
    ("out", "limits", "message"),
    [
        (
            {"c0": Out.DRAINED, "c5": Out.LOST},
            LIMITS,
            "c1 may not go out: limits.fleet allows 25.0% of capacity out, and this would make 37.5%; out already: "
            "c0 (drained), c5 (lost); bring back first: c0",
        ),
        (
            {"c4": Out.LOST, "c5": Out.LOST},
            LIMITS,
            "c1 may not go out: limits.fleet allows 25.0% of capacity out, and this would make 37.5%; out already: "
            "c4 (lost), c5 (lost); wait until what is lost is back",
        ),
        (
            {},
            OutageLimits(fleet=1, region=1, regions={"west": 0.2}, model=1),
            "c1 may not go out: limits.regions.west allows 20.0% of capacity out, and this would make 25.0% by itself; "
            "raise the limit to allow it",
        ),
        (
            {"c7": Out.WEIGHT_0},
            OutageLimits(fleet=1, region=1, model=0.2),
            "c1 may not go out: limits.model of m allows 20.0% of capacity out, and this would make 25.0%; out "
            "already: c7 (weight 0); bring back first: c7",
        ),
    ],
)
def test_a_refusal_says_what_to_do(out: dict[str, Out], limits: OutageLimits, message: str) -> None:
    """The limit, what is out already, and whose return would help."""
    answer = may_go_out("c1", with_out(**out), limits)
    assert isinstance(answer, OutageRefused)
    assert answer.message == message


def test_an_unknown_cluster() -> None:
    """The nearest name is offered."""
    answer = may_go_out("c00", FLEET, LIMITS)
    assert isinstance(answer, OutageRefused)
    assert answer.message.startswith("there is no cluster 'c00', did you mean 'c0'")


def test_a_region_that_is_lost_counts() -> None:
    """With the largest region of the shipped fleet gone nothing more may go out; the message names five clusters."""
    fleet = load_fleet(LAUNCH_DAY)
    states = states_of(fleet, dict.fromkeys(fleet.named("us-west"), Out.LOST))
    assert out_share(states) == pytest.approx(0.295, abs=0.001)
    answer = may_go_out("use-1", states, fleet.limits)
    assert isinstance(answer, OutageRefused)
    assert [excess.limit for excess in answer.excesses] == ["limits.fleet", "limits.model of llama-3.1-70b"]
    assert "usw-h-1 (lost) and 2 more; wait until what is lost is back" in answer.message
    assert len(answer.excesses[0].already_out) == 7


SHARE = st.floats(0, 1)
STATE = st.tuples(st.sampled_from("ab"), st.sampled_from("mn"), st.floats(0, 100), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(STATE, min_size=1, max_size=10), SHARE, SHARE, SHARE)
def test_grants_alone_never_break_a_limit(
    rows: list[tuple[str, str, float, bool]], fleet: float, region: float, model: float
) -> None:
    """Whatever is asked for in whatever order, and whatever was lost before: a grant leaves its parts within limits."""
    limits = OutageLimits(fleet=fleet, region=region, model=model)
    states = {
        str(number): ClusterState(str(number), where, which, size, Out.LOST if lost else None)
        for number, (where, which, size, lost) in enumerate(rows)
    }
    for name in [*states, *reversed(states)]:
        one = states[name]
        if one.out is not None or isinstance(may_go_out(name, list(states.values()), limits), OutageRefused):
            continue
        states[name] = replace(one, out=Out.DRAINED)
        every = list(states.values())
        assert out_share(every) <= fleet + 1e-6
        assert out_share(other for other in every if other.region == one.region) <= region + 1e-6
        assert out_share(other for other in every if other.model == one.model) <= model + 1e-6
