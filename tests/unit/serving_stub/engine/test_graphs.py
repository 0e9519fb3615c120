"""Decoding by graph gives the tokens that computing each step anew gives. Without a GPU the graph is the function
itself over the same tensors that never move, so everything but the capture is what a GPU runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from serving_stub.engine.graphs import capture_on_cuda
from serving_stub.engine.runner import TorchRunner
from tests.support.tiny_engine import TINY, answer_all, request, tiny_engine, tiny_model, tokens


def capture_nothing(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """What stands in for a capture on a CPU: call the function again."""
    return function


def runner_with_graphs(captured: list[int] | None = None) -> TorchRunner:
    """A runner on the tiny model that counts what it captures."""

    def capture(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        if captured is not None:
            captured.append(1)
        return capture_nothing(function)

    model, _ = tiny_model("tiny", "fp32")
    return TorchRunner(model, TINY.num_pool_blocks, TINY.block_size, TINY.seed, capture=capture)


REQUESTS = [
    request("short", "one", max_tokens=30),
    request("long", "a prompt that takes a few blocks of its own, and then some more of them", max_tokens=40),
    request("sampled", "two", max_tokens=20, temperature=1.0, seed=7),
    request("late", "three and a half", max_tokens=60),
    request("last", "five", max_tokens=11),
]


def test_graphs_change_no_token() -> None:
    """Batches that shrink from five rows to one, and contexts that grow over several blocks, end in the same tokens."""
    plain = answer_all(tiny_engine(), REQUESTS)
    graphed = answer_all(tiny_engine(runner=runner_with_graphs()), REQUESTS)
    assert {name: tokens(chunks) for name, chunks in graphed.items()} == {
        name: tokens(chunks) for name, chunks in plain.items()
    }


def test_rows_beyond_the_batch_touch_nobody() -> None:
    """Three rows run in a graph of four: the fourth's keys go behind the pool, whose blocks stay as they were."""
    runner = runner_with_graphs()
    engine = tiny_engine(runner=runner, enable_prefix_caching=False)
    answer_all(engine, [request(name, "abc", max_tokens=9) for name in ("a", "b", "c")])
    keys = runner._cache.keys
    assert keys.shape[1] == TINY.num_pool_blocks + 1
    used = keys.abs().sum(dim=(0, 2, 3, 4)).nonzero().flatten().tolist()
    assert len([block for block in used if block < TINY.num_pool_blocks]) == 3
    assert TINY.num_pool_blocks in used


def test_few_shapes_are_captured() -> None:
    """Sixty steps of one to four blocks and one row need one graph, met twice before it is captured."""
    captured: list[int] = []
    engine = tiny_engine(runner=runner_with_graphs(captured))
    answer_all(engine, [request("one", "x", max_tokens=60)])
    assert len(captured) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="captures on a GPU")
def test_a_captured_function_sees_what_is_copied_into_its_tensors() -> None:
    """A CUDA graph computes anew from the same memory."""
    x = torch.ones(4, device="cuda")
    replay = capture_on_cuda(lambda: x * 2)
    x.fill_(3.0)
    assert replay().tolist() == [6.0] * 4
