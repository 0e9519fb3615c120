"""Leases of every kind through any history: grants, renewals, releases, expiries, ramps, holds and restarts.

The model beside the book is as plain as can be: a list of what is in force, each with its strength.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import BaseModel, ConfigDict

from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.ending import Gates
from serving_stub.frontdoor.fold import Layer, fold_number
from serving_stub.frontdoor.gate import DRAIN
from serving_stub.frontdoor.journal import decode, encode
from serving_stub.frontdoor.knob import Fold, LayeredKnob, NumberKnob, OnEnd, Value
from serving_stub.frontdoor.lease import EndReason, Granted, LeaseEvent, LeaseRequest, LeaseState
from serving_stub.frontdoor.ramp import RampPlan
from serving_stub.frontdoor.startup import at_start

PLAN = RampPlan()


class Shade(BaseModel):
    """A value of a knob of layers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fraction: float


BATCH = NumberKnob("batch", base=32, minimum=1, maximum=32, on_ends=("release", "ramp"))
FAULT = NumberKnob("fault", base=0, minimum=0, maximum=100, fold="max")
SKEW = NumberKnob("skew", base=0, minimum=-50, maximum=50, fold="furthest")
SHADE = LayeredKnob("shade", Shade, "the darkest", ("ramp", "release"), "shed")
KNOBS = {knob.name: knob for knob in (BATCH, FAULT, SKEW, SHADE, DRAIN)}


@dataclass(slots=True)
class Alive:
    """A lease in force, as the model sees it."""

    knob: str
    value: Value
    on_end: OnEnd
    expires_at: float
    strength: float = 1.0
    state: LeaseState = LeaseState.LIVE
    reason: EndReason | None = None
    paused_until: float = 0.0


class Leases(RuleBasedStateMachine):
    """A book and the model beside it."""

    @initialize()
    def begin(self) -> None:
        """Nothing is leased."""
        self.book = LeaseBook(KNOBS)
        self.lines: list[bytes] = []
        self.alive: dict[str, Alive] = {}
        self.now = 0.0
        self.count = 0

    @rule(
        knob=st.sampled_from(sorted(KNOBS)), number=st.integers(1, 32), ttl_s=st.integers(1, 20), pick=st.integers(0, 1)
    )
    def grant(self, knob: str, number: int, ttl_s: int, pick: int) -> None:
        """Somebody wants something."""
        on_ends = KNOBS[knob].on_ends
        on_end = on_ends[pick % len(on_ends)]
        value: Value = {"shade": {"fraction": number / 32}, "drain": {}}.get(knob, number)
        self.count += 1
        lease_id = f"l-{self.count}"
        request = LeaseRequest(knob, value, "finish", float(ttl_s), "run:1", "why", lease_id, on_end)
        event = self.book.grant(request, lease_id, self.now)
        assert isinstance(event, Granted)
        self.happen([event])
        self.alive[lease_id] = Alive(knob, value, on_end, self.now + ttl_s)

    @rule(which=st.integers(0, 9), ttl_s=st.integers(1, 20))
    def renew(self, which: int, ttl_s: int) -> None:
        """Its owner is still there."""
        able = [name for name, one in self.alive.items() if one.reason is not EndReason.RELEASED]
        if able:
            name = able[which % len(able)]
            self.happen([self.book.renew(name, float(ttl_s), self.now)])
            one = self.alive[name]
            self.alive[name] = Alive(one.knob, one.value, one.on_end, self.now + ttl_s)

    @rule(which=st.integers(0, 9), at_once=st.booleans(), may_ramp=st.booleans(), is_healthy=st.booleans())
    def release(self, which: int, at_once: bool, may_ramp: bool, is_healthy: bool) -> None:
        """Its owner has had enough."""
        if not self.alive:
            return
        name = sorted(self.alive)[which % len(self.alive)]
        gates = Gates(may_ramp, is_healthy)
        change = self.book.release(name, self.now, gates=gates, ramp=PLAN, at_once=at_once)
        self.happen([] if change is None else [change])
        if at_once:
            del self.alive[name]
        elif self.alive[name].reason is None:
            self._end(name, EndReason.RELEASED, gates)

    @rule(seconds=st.integers(0, 40), may_ramp=st.booleans(), is_healthy=st.booleans())
    def wait(self, seconds: int, may_ramp: bool, is_healthy: bool) -> None:
        """Time goes by, and the server looks once."""
        self.now += seconds
        gates = Gates(may_ramp, is_healthy)
        self.happen(self.book.due(self.now, gates, PLAN))
        for name, one in list(self.alive.items()):
            if one.state is LeaseState.LIVE and one.expires_at <= self.now:
                self._end(name, EndReason.EXPIRED, gates)
            elif one.state is LeaseState.RAMPING and may_ramp and one.paused_until <= self.now:
                self._step(name)
            elif one.state is LeaseState.HOLDING and is_healthy:
                del self.alive[name]

    @rule()
    def restart(self) -> None:
        """The server is killed and starts from its journal, with every gate still closed."""
        events, _ = decode(b"".join(self.lines), "journal")
        self.book = LeaseBook(KNOBS).apply_all(events)
        self.happen(at_start(self.book, self.now))
        for name, one in list(self.alive.items()):
            if one.state is LeaseState.LIVE and one.expires_at <= self.now:
                self._end(name, EndReason.EXPIRED, Gates(may_ramp=False, is_healthy=False))

    @invariant()
    def what_is_in_force_depends_on_the_living_alone(self) -> None:
        """No lease that has ended has left a trace in it."""
        for name, knob in KNOBS.items():
            living = {lease_id: one for lease_id, one in self.alive.items() if one.knob == name}
            layers = self.book.layers(name)
            assert [layer.lease_id for layer in layers] == list(living)
            assert [layer.strength for layer in layers] == [one.strength for one in living.values()]
            if isinstance(knob, NumberKnob):
                reached = [
                    knob.base + round((one.value - knob.base) * one.strength)
                    for one in living.values()
                    if isinstance(one.value, int)
                ]
                assert self.book.in_force(name).value == _fold(knob.fold, [knob.base, *reached])
            else:
                assert [layer.value for layer in layers] == [knob.parse(one.value) for one in living.values()]

    def happen(self, events: Iterable[LeaseEvent]) -> None:
        """Journal and apply."""
        for event in events:
            self.lines.append(encode(event))
            self.book = self.book.apply(event)

    def _end(self, name: str, reason: EndReason, gates: Gates) -> None:
        one = self.alive[name]
        one.reason = reason
        if one.on_end == "ramp":
            one.state = LeaseState.RAMPING
            if gates.may_ramp:
                self._step(name)
        elif one.on_end == "hold_unhealthy" and not gates.is_healthy:
            one.state = LeaseState.HOLDING
        else:
            del self.alive[name]

    def _step(self, name: str) -> None:
        one = self.alive[name]
        one.strength = round(one.strength - 0.2, 6)
        one.paused_until = self.now + PLAN.step_s
        if one.strength == 0:
            del self.alive[name]


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)

LAYERS = st.lists(
    st.builds(Layer, st.integers(1, 32), st.sampled_from([0.2, 0.4, 0.6, 0.8, 1.0]), st.just("l"), st.just("finish")),
    min_size=1,
    max_size=5,
)


@given(LAYERS, st.sampled_from([BATCH, replace(BATCH, base=0, fold="max"), replace(BATCH, base=0, fold="furthest")]))
def test_the_order_of_layers_does_not_matter(layers: list[Layer[int]], knob: NumberKnob) -> None:
    """Whatever order they came in, the same is in force."""
    assert len({fold_number(knob, order) for order in permutations(layers)}) == 1


@given(LAYERS)
def test_a_layer_more_never_weakens_a_protection(layers: list[Layer[int]]) -> None:
    """Nobody who adds a lease can raise the batch, and nobody who ends one can lower it."""
    assert fold_number(BATCH, layers).value <= fold_number(BATCH, layers[:-1]).value


def _fold(fold: Fold, values: list[int]) -> int:
    match fold:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "furthest":
            return max(values, key=lambda one: (abs(one), one))
