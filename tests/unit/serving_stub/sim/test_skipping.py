"""Skipping from event to event comes to what stepping comes to: the same outcomes, blocks, queues and times."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.engine.sequence import Sequence
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import ClusterSizes, ClusterSpec
from serving_stub.sim.cluster import VirtualCluster
from serving_stub.sim.outcome import Outcome
from tests.unit.serving_stub.sim.test_cluster import SIZES

Event = Arrival | tuple[float, Callable[[VirtualCluster], object]]


@dataclass(frozen=True)
class Trace:
    """What comes to a cluster of *sizes*, in order of time."""

    sizes: ClusterSizes
    events: list[Event]


def poisson(seed: int, count: int, rate: float, prompt: tuple[int, int], answer: tuple[int, int]) -> list[Event]:
    """*count* arrivals with lengths between the bounds."""
    rng = random.Random(seed)
    at_s, coming = 0.0, list[Event]()
    for _ in range(count):
        at_s += rng.expovariate(rate)
        coming.append(Arrival(at_s, "US", "t", "toy", rng.randint(*prompt), rng.randint(*answer)))
    return coming


def at(event: Event) -> float:
    """When it comes."""
    return event.at_s if isinstance(event, Arrival) else event[0]


def with_changes(coming: list[Event], *changes: Event) -> list[Event]:
    """Both, by time."""
    return sorted([*coming, *changes], key=at)


def slower(cluster: VirtualCluster) -> None:
    """A fault begins."""
    cluster.step_delay_s = 0.003


def as_before(cluster: VirtualCluster) -> None:
    """A fault ends."""
    cluster.step_delay_s = 0.0


def looks(until_s: float, every_s: float) -> list[Event]:
    """A router looks."""
    return [(number * every_s, lambda cluster: cluster.view()) for number in range(int(until_s / every_s))]


def run(trace: Trace, *, stepping: bool, check: Callable[[VirtualCluster], None] = lambda _: None) -> list[Outcome]:
    """What each arrival met; *check* is shown the cluster at each event and at the end."""
    cluster = VirtualCluster(ClusterSpec("toy", "here", (), trace.sizes), fixed_s=0.0005, stepping=stepping)
    outcomes: list[Outcome] = []
    for event in trace.events:
        cluster.run_until(at(event))
        check(cluster)
        if isinstance(event, Arrival):
            outcomes.append(Outcome(event))
            cluster.add(event, outcomes[-1], len(outcomes))
        else:
            event[1](cluster)
    cluster.run_until(math.inf)
    check(cluster)
    return outcomes


def shown(seq: Sequence) -> dict[str, object]:
    """All that is kept of a sequence, but what a lookup that admitted nobody left behind."""
    return {one.name: getattr(seq, one.name) for one in fields(seq) if one.name != "num_evicted_tokens"}


def state(cluster: VirtualCluster) -> list[object]:
    """All of a cluster that its scheduler and block manager go by."""
    scheduler = cluster._engine.scheduler
    blocks = scheduler.blocks
    return [
        cluster._clock.now(),
        *(cluster.num_steps, cluster.num_tokens, cluster.num_in, cluster.peak_kv_usage, cluster.peak_waiting),
        *(cluster.view(), [shown(seq) for seq in scheduler.running], [shown(seq) for seq in scheduler.waiting]),
        *(list(blocks._free), dict(blocks._holders), list(blocks._cached), list(blocks._evicted)),
        *(dict(blocks._block_of_key), dict(blocks._content)),
    ]


def assert_same(trace: Trace, *, is_thorough: bool = True) -> list[Outcome]:
    """Stepping and skipping meet the same; if thorough, the state is the same at every event, having caught up."""
    stepped: list[list[object]] = []
    seen: list[list[object]] = []

    def look(into: list[list[object]]) -> Callable[[VirtualCluster], None]:
        def check(cluster: VirtualCluster) -> None:
            cluster.catch_up()
            into.append(state(cluster))

        return check

    expected = run(trace, stepping=True, check=look(stepped))
    assert run(trace, stepping=False, check=look(seen)) == expected
    assert len(seen) == len(stepped)
    for one, other in zip(seen, stepped, strict=True):
        assert one == other
    # Whoever catches up at every event hides what would go wrong between them.
    last: list[list[object]] = []
    assert run(trace, stepping=False, check=lambda cluster: last.append([cluster.num_steps])) == expected
    assert [one[0] for one in last] == [one[1] for one in stepped]
    return expected


SMALL_POOL = replace(SIZES, num_blocks=20)
TRACES = {
    "one alone": Trace(SIZES, poisson(1, 1, 1.0, (40, 40), (100, 100))),
    "mostly decoding": Trace(SIZES, poisson(2, 60, 40.0, (1, 40), (50, 200))),
    "mostly prefill": Trace(SIZES, poisson(3, 60, 100.0, (100, 400), (1, 10))),
    "both, and the router looks": Trace(
        SIZES, with_changes(poisson(4, 100, 150.0, (1, 200), (1, 60)), *looks(1.0, 0.01))
    ),
    "a full batch and a queue": Trace(SIZES, poisson(5, 100, 1000.0, (5, 30), (5, 40))),
    "a small pool preempts": Trace(SMALL_POOL, poisson(6, 80, 400.0, (10, 100), (10, 120))),
    "a tight budget": Trace(replace(SIZES, max_num_batched_tokens=8), poisson(7, 40, 300.0, (1, 60), (1, 40))),
    "blocks of one token": Trace(
        replace(SIZES, block_size=1, num_blocks=300), poisson(8, 60, 300.0, (4, 100), (10, 80))
    ),
    "blocks are lost and come back": Trace(
        SIZES,
        with_changes(
            poisson(9, 120, 200.0, (10, 120), (10, 80)),
            (0.2, lambda cluster: cluster.lose_blocks(50)),
            (0.5, lambda cluster: cluster.lose_blocks(0)),
            (0.55, lambda cluster: cluster.lose_blocks(64)),
            (0.57, lambda cluster: cluster.lose_blocks(5)),
        ),
    ),
    "steps are slow for a while": Trace(
        SIZES, with_changes(poisson(10, 100, 200.0, (10, 120), (10, 80)), (0.2, slower), (0.4, as_before))
    ),
    "lost and restored": Trace(
        SMALL_POOL,
        with_changes(
            poisson(11, 120, 200.0, (10, 120), (10, 80)),
            (0.2, lambda cluster: cluster.lose()),
            (0.3, lambda cluster: cluster.restore()),
        ),
    ),
}


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES.keys())
def test_skipping_comes_to_what_stepping_comes_to(trace: Trace) -> None:
    """Every outcome, and at every event the clock, the queues and the block manager, to the last bit."""
    assert_same(trace)


def test_the_traces_are_what_they_say() -> None:
    """Or the test above would show less than it seems to."""
    preempted: list[int] = []

    def note(cluster: VirtualCluster) -> None:
        cluster.catch_up()
        scheduler = cluster._engine.scheduler
        preempted.append(sum(seq.num_preemptions for seq in [*scheduler.running, *scheduler.waiting]))

    run(TRACES["a small pool preempts"], stepping=False, check=note)
    assert max(preempted) > 2
    assert any(
        one.refused == "cluster_lost" and one.num_tokens for one in run(TRACES["lost and restored"], stepping=False)
    )


def test_most_steps_are_skipped() -> None:
    """The engine itself is stepped a few times only."""
    cluster = VirtualCluster(ClusterSpec("toy", "here", (), SIZES))
    num_stepped = 0
    step = cluster._engine.step

    def counting() -> object:
        nonlocal num_stepped
        num_stepped += 1
        return step()

    cluster._engine.step = counting  # type: ignore[method-assign, assignment]
    for number, arrival in enumerate(
        one for one in poisson(2, 60, 40.0, (1, 40), (50, 200)) if isinstance(one, Arrival)
    ):
        cluster.run_until(arrival.at_s)
        cluster.add(arrival, Outcome(arrival), number)
    cluster.run_until(math.inf)
    assert num_stepped < cluster.num_steps / 20


lengths = st.integers(1, 90)
gaps_s = st.sampled_from([0.0, 0.0001, 0.002, 0.01, 0.3])


@given(
    coming=st.lists(st.tuples(gaps_s, lengths, lengths), min_size=1, max_size=30),
    max_num_seqs=st.integers(1, 8),
    more_tokens=st.integers(0, 40),
    num_blocks=st.integers(3, 60),
    block_size=st.sampled_from([1, 4, 16]),
    lost=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60)), max_size=3),
)
def test_any_trace_comes_to_the_same(
    coming: list[tuple[float, int, int]],
    max_num_seqs: int,
    more_tokens: int,
    num_blocks: int,
    block_size: int,
    lost: list[tuple[float, int]],
) -> None:
    """Whatever comes, however small the pool, and whatever is lost on the way."""
    sizes = replace(
        SIZES,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_seqs + more_tokens,
        num_blocks=num_blocks,
        block_size=block_size,
    )
    arrivals: list[Event] = []
    at_s = 0.0
    for gap_s, prompt, answer in coming:
        at_s += gap_s
        arrivals.append(Arrival(at_s, "US", "t", "toy", prompt, answer))
    changes = [(share * at_s, _losing(min(num, num_blocks))) for share, num in lost]
    assert_same(Trace(sizes, with_changes([*arrivals, *changes], (at_s, _losing(0)))))


def _losing(num_blocks: int) -> Callable[[VirtualCluster], object]:
    return lambda cluster: cluster.lose_blocks(num_blocks)
