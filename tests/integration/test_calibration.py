"""The simulation of this processor against the real engine on it: the same trace through both.

The trace is `bench.calibration`'s: 50 requests, Poisson arrivals at 0.7 and 3 times what can be finished, log-normal
lengths (medians 48 and 16 tokens), seed 1. The step cost is fitted to a grid of other requests, before and after.
Time is what this process computes with one thread, so that tests beside it are not measured. They still take turns in
its caches, and the engine chooses its products by their speed at its start; so up to three rounds are taken, and it is
their median that counts.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import pytest

from bench.calibration import CONFIG, LOADS, NUM_REQUESTS, compare, trace
from serving_stub.engine.build import build_engine
from serving_stub.errors import CalibrationError
from serving_stub.sim.real_clock import ProcessorClock
from serving_stub.sim.replay import outside, ratios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

ROUNDS = 3


@pytest.mark.long
@pytest.mark.alone
def test_the_simulation_feels_like_the_engine() -> None:
    """TTFT, time between tokens and throughput lie within 20% at p50 and 30% at p95, without and with a queue."""
    found: dict[float, dict[str, list[float]]] = {load: defaultdict(list) for load in LOADS}
    problems: dict[float, dict[str, float]] = {}
    for _ in range(ROUNDS):
        engine, _tokenizer = build_engine(CONFIG)
        try:
            served = compare(engine, ProcessorClock, trace(NUM_REQUESTS, seed=1))
        except CalibrationError as error:
            print(error)
            continue
        for one in served:
            for name, ratio in ratios(one.simulated, one.real).items():
                found[one.load][name].append(ratio)
        medians = {load: {name: median(many) for name, many in by_name.items()} for load, by_name in found.items()}
        print(medians)
        problems = {load: bad for load, all_of in medians.items() if (bad := outside(all_of, p50=0.2, p95=0.3))}
        if not problems:
            return
    pytest.fail(f"simulated / real by load, medians of {ROUNDS} rounds: {problems or 'no round had a fit'}")


def test_the_trace_is_the_one_that_is_stated() -> None:
    """Other lengths or times would be another test."""
    arrivals = trace(NUM_REQUESTS, seed=1)
    assert len(arrivals) == 50
    assert LOADS == (0.7, 3.0)
    assert (sum(one.prompt_tokens for one in arrivals), sum(one.answer_tokens for one in arrivals)) == (2542, 958)
