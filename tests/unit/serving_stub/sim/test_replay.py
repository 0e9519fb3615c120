"""A trace through an engine: who is due is added, and what each felt is kept."""

from __future__ import annotations

import pytest

from serving_stub.engine.engine import Engine
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import ClusterSizes
from serving_stub.roofline.roof import Device
from serving_stub.sim.build import build_simulated, sizes_like
from serving_stub.sim.calibration import FittedCost
from serving_stub.sim.clock import VirtualClock
from serving_stub.sim.measure import measure_steps
from serving_stub.sim.real_clock import ProcessorClock, WallClock
from serving_stub.sim.replay import outside, ratios, replay
from tests.support.tiny_engine import tiny_engine
from tests.unit.serving_stub.sim.test_cluster import SHAPE

SIZES = ClusterSizes(
    gpu="endless",
    num_gpus=1,
    efficiency=1.0,
    model=SHAPE,
    device=Device("endless", flops_per_s=1e30, bytes_per_s=1e30, host_bytes_per_s=1e30, memory_bytes=None),
    weight_format="bf16",
    kv_format="bf16",
    max_num_seqs=8,
    max_num_batched_tokens=64,
    block_size=16,
    num_blocks=64,
    max_model_len=512,
    weight=1.0,
)
"""Only the fixed times of a step are left: 1 s, and 2 s more if it reads prompts."""


def engine(clock: VirtualClock) -> Engine:
    return build_simulated(SIZES, clock.now, clock.advance, fixed_s=1.0, prefill_s=2.0)[0]


def arrival(at_s: float, answer_tokens: int) -> Arrival:
    return Arrival(at_s, "US", "t", "toy", 10, answer_tokens)


def test_what_each_request_felt() -> None:
    """The first is read in 3 s; the second comes meanwhile and is read next; then both take 1 s a token."""
    clock = VirtualClock()
    found = replay(engine(clock), [arrival(10.0, 4), arrival(11.0, 2)], clock)
    assert [one.ttft_s for one in found.outcomes] == pytest.approx([3.0, 5.0])
    assert [one.finished_at for one in found.outcomes] == pytest.approx([18.0, 17.0])
    assert sorted(found.gaps_s) == pytest.approx([1.0, 1.0, 1.0, 3.0])
    assert found.figures["tokens/s"] == pytest.approx(6 / 8)


def test_the_same_trace_felt_twice_has_ratios_of_one() -> None:
    """And none of them is outside any band."""
    first, second = (replay(engine(clock), [arrival(1.0, 3)] * 3, clock) for clock in (VirtualClock(), VirtualClock()))
    assert set(ratios(first, second).values()) == {1.0}
    assert outside(ratios(first, second), p50=0.0, p95=0.0) == {}


def test_a_p95_may_be_further_off_than_a_p50() -> None:
    """In both directions."""
    found = {"TTFT p50": 0.75, "TTFT p95": 0.75, "gap p50": 1.19, "gap p95": 1.31, "tokens/s": 1.25}
    assert outside(found, p50=0.2, p95=0.3) == {"TTFT p50": 0.75, "gap p95": 1.31, "tokens/s": 1.25}


def test_the_grid_is_measured_on_a_real_engine() -> None:
    """Every step has work and a duration, some read prompts and some do not; its observer is left as it was."""
    real = tiny_engine(max_num_seqs=4)
    steps = measure_steps(real, WallClock())
    assert all(one.flops > 0 and one.num_bytes > 0 and one.duration_s > 0 for one in steps)
    assert {one.has_prefill for one in steps} == {True, False}
    assert real.observer is None
    assert not real.has_work


def test_a_simulation_has_the_settings_of_the_engine() -> None:
    """And steps as the fit says."""
    real = tiny_engine()
    sizes = sizes_like(real, FittedCost(1e9, 1e10, 0.001, 0.0, 0.05, 100))
    assert (sizes.max_num_seqs, sizes.max_num_batched_tokens, sizes.num_blocks, sizes.block_size) == (8, 64, 64, 16)
    assert (sizes.weight_format, sizes.kv_format) == ("fp32", "fp32")
    assert sizes.model.num_layers == real.model_config.num_layers
    assert sizes.device.step_s(1e10, 0) == pytest.approx(1.0)


@pytest.mark.parametrize("clock", [WallClock(), ProcessorClock()], ids=["wall", "processor"])
def test_a_real_clock_goes_on_to_a_time(clock: WallClock | ProcessorClock) -> None:
    """Not back, and past it by no more than what the test itself takes."""
    ahead = clock.now() + 0.02
    clock.advance_to(ahead)
    assert ahead <= clock.now() < ahead + 1
    clock.advance_to(0.0)
    assert clock.now() >= ahead
