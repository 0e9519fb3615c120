"""A request's tokens do not depend on its neighbours, its chunks, its place in the cache, its preemptions or swaps."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.interface import GenerationRequest, SamplingParams
from tests.support.tiny_engine import TINY, Recorder, answer_all, request, tiny_engine, tokens


def requests() -> list[GenerationRequest]:
    """Twelve prompts of 3 to 80 tokens, some with a common beginning, every third one sampled."""
    rng = random.Random(0)
    shared = [rng.randrange(3, 259) for _ in range(40)]
    out = []
    for i in range(12):
        beginning = shared[: rng.randrange(40)] if i % 2 else []
        prompt = beginning + [rng.randrange(3, 259) for _ in range(rng.randrange(3, 40))]
        params = SamplingParams(max_tokens=rng.randrange(5, 40), ignore_eos=True)
        if i % 3 == 0:
            out.append(request(str(i), prompt, params, temperature=0.8, top_p=0.95, seed=i))
        else:
            out.append(request(str(i), prompt, params))
    return out


def alone() -> dict[str, list[int]]:
    """Each request in an engine of its own, prefilled whole, without a prefix cache."""
    answers: dict[str, list[int]] = {}
    for one in requests():
        engine = tiny_engine(max_num_batched_tokens=2048, enable_prefix_caching=False)
        answers[one.request_id] = tokens(answer_all(engine, [one])[one.request_id])
    return answers


@pytest.mark.parametrize(
    ("config", "expects_preemption"),
    [
        (TINY, False),
        (replace(TINY, max_num_batched_tokens=8), False),
        (replace(TINY, enable_prefix_caching=False), False),
        (replace(TINY, block_size=4, num_blocks=34), True),
        (replace(TINY, num_blocks=8, enable_prefix_caching=False), True),
    ],
    ids=["batched", "chunks of 8", "no prefix cache", "preempted, small blocks", "preempted, nothing cached"],
)
def test_tokens_are_the_same_alone_and_in_any_batch(config: EngineConfig, expects_preemption: bool) -> None:
    """Batching, chunked prefill, prefix reuse and recomputation leave every token as it is alone."""
    engine = tiny_engine(config)
    recorder = Recorder()
    engine.observer = recorder
    together = {name: tokens(chunks) for name, chunks in answer_all(engine, requests()).items()}
    assert together == alone()
    assert (sum(step.num_preempted for step in recorder.steps) > 0) is expects_preemption


@pytest.mark.parametrize("has_prefix_cache", [False, True])
def test_tokens_are_the_same_after_a_swap(has_prefix_cache: bool) -> None:
    """With room in host memory nothing is computed twice, and every block that went out came back or was let go."""
    engine = tiny_engine(num_blocks=8, num_swap_blocks=64, enable_prefix_caching=has_prefix_cache)
    recorder = Recorder()
    engine.observer = recorder
    together = {name: tokens(chunks) for name, chunks in answer_all(engine, requests()).items()}
    assert together == alone()
    assert sum(step.num_recomputed_tokens for step in recorder.steps) == 0
    swapped_out = sum(step.num_swapped_out_blocks for step in recorder.steps)
    swapped_in = sum(step.num_swapped_in_blocks for step in recorder.steps)
    assert 0 < swapped_in <= swapped_out
    assert swapped_in == swapped_out or has_prefix_cache, "only the prefix cache spares a way back"
    assert engine.scheduler.swap.num_free_blocks == 64


def test_tokens_survive_a_batch_limit_that_moves() -> None:
    """A limit that falls and rises between steps, in both modes, loses and changes nothing."""
    engine = tiny_engine()
    got: dict[str, list[int]] = {one.request_id: [] for one in requests()}
    for one in requests():
        engine.add(one)
    rng = random.Random(1)
    while engine.has_work:
        engine.set_batch_limit(rng.randrange(1, 9), rng.choice(["finish", "preempt"]))
        for request_id, chunk in engine.step():
            got[request_id] += chunk.token_ids
    assert got == alone()
