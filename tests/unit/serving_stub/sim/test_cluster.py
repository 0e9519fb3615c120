"""Virtual time on the real scheduler: steps last as the roofline says, and the same arrivals meet the same things."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import ClusterSizes, ClusterSpec
from serving_stub.model.shape import ModelShape
from serving_stub.roofline.roof import Device
from serving_stub.sim.cluster import VirtualCluster
from serving_stub.sim.outcome import Outcome

SHAPE = ModelShape(
    name="toy",
    num_layers=4,
    hidden_size=128,
    num_heads=4,
    num_kv_heads=2,
    head_dim=32,
    ffn_size=256,
    vocab_size=1000,
)
DEVICE = Device("toy", flops_per_s=1e12, bytes_per_s=1e9, host_bytes_per_s=1e8, memory_bytes=1e9)
SIZES = ClusterSizes(
    gpu="toy",
    num_gpus=1,
    efficiency=1.0,
    model=SHAPE,
    device=DEVICE,
    weight_format="bf16",
    kv_format="bf16",
    max_num_seqs=8,
    max_num_batched_tokens=64,
    block_size=16,
    num_blocks=64,
    max_model_len=512,
    weight=1.0,
)


def arrivals(count: int, *, every_s: float, prompt: int = 40, answer: int = 20) -> list[Arrival]:
    """*count* alike ones."""
    return [Arrival(number * every_s, "US", "t", "toy", prompt, answer) for number in range(count)]


def served(sizes: ClusterSizes, coming: list[Arrival], *, fixed_s: float = 0.0) -> list[Outcome]:
    """What each met."""
    cluster = VirtualCluster(ClusterSpec("toy", "here", (), sizes), fixed_s=fixed_s)
    outcomes = [Outcome(arrival) for arrival in coming]
    for number, outcome in enumerate(outcomes):
        cluster.run_until(outcome.arrival.at_s)
        cluster.add(outcome.arrival, outcome, number)
    cluster.run_until(math.inf)
    return outcomes


def test_a_lone_request_takes_its_rooflines_time() -> None:
    """One prefill step, then a step a token: each reads the weights and the cache once, at the memory's speed."""
    (outcome,) = served(SIZES, arrivals(1, every_s=1.0, prompt=32, answer=3), fixed_s=0.001)
    kv = SHAPE.kv_bytes_per_token(2)
    weights = 2 * (SHAPE.num_layer_parameters + SHAPE.num_head_parameters)
    prefill_s = (weights + 32 * kv + 32 * kv) / DEVICE.bytes_per_s + 0.001
    decode_s = sum((weights + context * kv + kv) / DEVICE.bytes_per_s + 0.001 for context in (33, 34))
    assert outcome.ttft_s == pytest.approx(prefill_s)
    assert outcome.finished_at == pytest.approx(prefill_s + decode_s)
    assert outcome.num_tokens == 3


def test_a_step_that_multiplies_much_lasts_as_long_as_its_operations() -> None:
    """Above the ridge arithmetic decides: half the speed, twice the time."""
    slow = replace(SIZES, device=replace(DEVICE, flops_per_s=1e9))
    slower = replace(SIZES, device=replace(DEVICE, flops_per_s=5e8))
    one, two = (served(sizes, arrivals(1, every_s=1.0, answer=1))[0] for sizes in (slow, slower))
    assert one.ttft_s is not None
    assert two.ttft_s == pytest.approx(2 * one.ttft_s)


def test_the_same_arrivals_meet_the_same() -> None:
    """Nothing depends on this machine's speed."""
    coming = arrivals(50, every_s=0.002)
    assert served(SIZES, coming) == served(SIZES, coming)


def test_a_crowd_waits_and_is_served() -> None:
    """More than fit: a queue, preemptions when blocks run out, and every answer whole."""
    outcomes = served(replace(SIZES, num_blocks=20), arrivals(60, every_s=0.0001, answer=60))
    assert all(one.num_tokens == 60 and one.finished_at is not None for one in outcomes)
    first, last = outcomes[0].ttft_s, outcomes[-1].ttft_s
    assert first is not None
    assert last is not None
    assert last > 5 * first


def test_what_can_never_fit_is_refused_alone() -> None:
    """The others are served as if it had not come."""
    coming = [*arrivals(2, every_s=0.01), Arrival(0.02, "US", "t", "toy", 500, 500)]
    outcomes = served(SIZES, coming)
    assert [one.refused for one in outcomes] == [None, None, "context_length_exceeded"]
    assert [one.num_tokens for one in outcomes] == [20, 20, 0]
