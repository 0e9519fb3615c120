"""Shed over many callers: the same each time, more with a larger fraction, the worst class first, as many as said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.shed import ShedValue, decide, shed_share

PRIORITIES = (0, 5, 10)
CALLERS = [Caller(f"account:{number}", priority=PRIORITIES[number % 3]) for number in range(3000)]
SHARES = dict.fromkeys(PRIORITIES, 1 / 3)
FRACTION = st.floats(0, 1)


def layer(fraction: float, selector: Selector | None = None, strength: float = 1.0) -> Layer[ShedValue]:
    """A lease in force."""
    return Layer(ShedValue(fraction=fraction, selector=selector or Selector()), strength, "l-1")


def shed(layers: list[Layer[ShedValue]]) -> set[str]:
    """Whoever is turned away."""
    return {caller.identity for caller in CALLERS if decide(caller, layers, SHARES)}


@settings(max_examples=25, deadline=None)
@given(FRACTION, FRACTION)
def test_a_larger_fraction_only_adds_callers(one: float, other: float) -> None:
    """So a shed that grows or ramps down never moves anybody back and forth."""
    assert shed([layer(min(one, other))]) <= shed([layer(max(one, other))])


@settings(max_examples=25, deadline=None)
@given(FRACTION)
def test_as_many_as_said(fraction: float) -> None:
    """Of 3,000 callers who ask equally often, within three hundredths."""
    assert len(shed([layer(fraction)])) / len(CALLERS) == pytest.approx(fraction, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(FRACTION)
def test_nobody_better_goes_while_somebody_worse_stays(fraction: float) -> None:
    """Class by class, from the worst."""
    gone = shed([layer(fraction)])
    touched = {caller.priority for caller in CALLERS if caller.identity in gone}
    whole = {priority for priority in PRIORITIES if all(c.identity in gone for c in CALLERS if c.priority == priority)}
    for priority in touched:
        assert {other for other in PRIORITIES if other > priority} <= whole


LAYER = st.builds(
    layer,
    FRACTION,
    st.sampled_from([Selector(), Selector(tenant=("acme",)), Selector(service_class=("free",))]),
    st.floats(0.01, 1),
)
SOME_CALLER = st.builds(
    Caller,
    st.text(max_size=5),
    tenant=st.sampled_from(["acme", "other"]),
    service_class=st.sampled_from(["free", "paid"]),
    priority=st.sampled_from([0, 5, 10, 20]),
)
SOME_SHARES = st.dictionaries(st.sampled_from([0, 5, 10]), st.floats(0.01, 1), max_size=3).map(
    lambda weights: {priority: weight / sum(weights.values()) for priority, weight in weights.items()}
)


@given(SOME_CALLER, st.lists(LAYER, max_size=6), SOME_SHARES)
def test_layers_fold_in_any_order(caller: Caller, layers: list[Layer[ShedValue]], shares: dict[int, float]) -> None:
    """And a layer more never lessens what is shed."""
    share = shed_share(caller, layers, shares)
    assert 0 <= share <= 1
    assert share == shed_share(caller, layers[::-1], shares)
    assert share == max((shed_share(caller, [one], shares) for one in layers), default=0.0)
