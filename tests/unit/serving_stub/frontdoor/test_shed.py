"""Shed: how much of whom, and what those hear."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.refusal import Reason
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.shed import ShedValue, decide, shed_share
from serving_stub.frontdoor.traffic_shares import TrafficShares

SHARES = {0: 0.5, 5: 0.3, 10: 0.2}
JAPAN = Selector(country=("JP",))


def layer(fraction: float, selector: Selector | None = None, strength: float = 1.0) -> Layer[ShedValue]:
    """A lease in force."""
    return Layer(ShedValue(fraction=fraction, selector=selector or Selector()), strength, "l-1")


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0, [0.0, 0.0, 0.0]),
        (0.1, [0.0, 0.0, 0.5]),
        (0.2, [0.0, 0.0, 1.0]),
        (0.35, [0.0, 0.5, 1.0]),
        (0.5, [0.0, 1.0, 1.0]),
        (0.75, [0.5, 1.0, 1.0]),
        (1.0, [1.0, 1.0, 1.0]),
    ],
)
def test_the_worst_class_goes_first(fraction: float, expected: list[float]) -> None:
    """A better class is touched once the worse ones are shed whole; together it is the fraction of all requests."""
    got = [shed_share(Caller("a", priority=priority), [layer(fraction)], SHARES) for priority in (0, 5, 10)]
    assert got == pytest.approx(expected)


def test_without_known_traffic_all_classes_are_alike() -> None:
    """A server that has just started sheds the fraction of everybody."""
    assert shed_share(Caller("a", priority=3), [layer(0.4)], {}) == 0.4


def test_a_class_that_sends_next_to_nothing() -> None:
    """It is shed whole if it is worse than a class that is being shed, and not at all if it is better."""
    assert shed_share(Caller("a", priority=99), [layer(0.1)], SHARES) == 1.0
    assert shed_share(Caller("a", priority=-1), [layer(0.9)], SHARES) == 0.0


def test_a_selector_takes_its_fraction_of_those_it_means() -> None:
    """Whatever their class."""
    layers = [layer(0.3, JAPAN)]
    assert shed_share(Caller("a", country="JP"), layers, SHARES) == 0.3
    assert shed_share(Caller("a", country="US"), layers, SHARES) == 0.0
    assert shed_share(Caller("a"), layers, SHARES) == 0.0


def test_the_largest_layer_is_in_force() -> None:
    """In whatever order; one that ramps counts by its strength."""
    layers = [layer(0.3, JAPAN), layer(0.8, JAPAN, strength=0.5), layer(0.1)]
    caller = Caller("a", country="JP", priority=0)
    assert shed_share(caller, layers, SHARES) == shed_share(caller, layers[::-1], SHARES) == 0.4
    assert shed_share(Caller("a", country="JP", priority=10), layers, SHARES) == 0.5


def test_a_written_out_selector_is_everybody_too() -> None:
    """As the journal has it: every field there, none of them set."""
    value = ShedValue.model_validate(ShedValue(fraction=0.1).model_dump())
    assert shed_share(Caller("a", priority=0), [Layer(value, 1.0, "l-1")], SHARES) == 0.0


def test_what_the_shed_hear() -> None:
    """429, honestly, and not to come back for half a minute to a minute."""
    refusal = decide(Caller("a"), [layer(1.0)], {})
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.reason) == (429, "shed", Reason.SHED)
    assert "over capacity" in refusal.message
    assert 30 <= int(dict(refusal.wire_headers())["retry-after"]) <= 60
    assert decide(Caller("a"), [], {}) is None


def test_whoever_is_shed_is_shed_everywhere() -> None:
    """A caller's place is pinned: it must not change with a version, a machine or a day."""
    assert [name for name in "abcdefgh" if decide(Caller(name), [layer(0.5)], {})] == ["a", "c", "e", "g"]


@pytest.mark.parametrize("value", [{"fraction": 1.5}, {"fraction": float("nan")}, {"fraction": 0.5, "class": "free"}])
def test_values_that_are_no_shed(value: dict[str, object]) -> None:
    """Refused before there is a lease."""
    with pytest.raises(ValidationError):
        ShedValue.model_validate(value)


def test_traffic_shares() -> None:
    """Of the last minute or so; what is published stays while nothing much has changed."""
    traffic = TrafficShares()
    assert traffic.shares(0.0) == {}
    for number in range(100):
        traffic.count(0 if number % 4 else 10, 0.0)
    first = traffic.shares(1.0)
    assert first == pytest.approx({0: 0.75, 10: 0.25})
    for _ in range(4):
        traffic.count(10, 1.0)
    assert traffic.shares(1.0) is first
    for _ in range(100):
        traffic.count(10, 1.0)
    assert traffic.shares(1.0)[10] == pytest.approx(0.63, abs=0.01)


def test_old_traffic_fades() -> None:
    """Ten minutes on, what was then counts no more."""
    traffic = TrafficShares()
    for _ in range(1000):
        traffic.count(10, 0.0)
    for _ in range(100):
        traffic.count(0, 600.0)
    assert traffic.shares(600.0)[0] > 0.99
