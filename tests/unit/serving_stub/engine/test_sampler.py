"""Logits to tokens."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from serving_stub.engine.interface import GenerationRequest, SamplingParams
from serving_stub.engine.sampler import sample
from serving_stub.engine.sequence import Sequence

LOGITS = torch.tensor([0.1, 0.5, 0.3, 0.1]).log()


def sequence(params: SamplingParams, position: int = 1, request_id: str = "r") -> Sequence:
    return Sequence(GenerationRequest(request_id, tuple(range(position)), params), arrived_at=0.0)


def draws(params: SamplingParams, count: int) -> list[int | None]:
    """One draw at each of *count* positions."""
    sequences = [sequence(params, position) for position in range(1, count + 1)]
    return sample(LOGITS.expand(count, -1), sequences, 0)


@pytest.mark.parametrize("temperature", [0.0, 1e-40])
def test_greedy_takes_the_largest(temperature: float) -> None:
    """Temperature 0, and one so small that a division would overflow, take the most likely token."""
    assert draws(SamplingParams(temperature=temperature), 3) == [1, 1, 1]


def test_draws_follow_the_probabilities() -> None:
    """Two thousand draws lie within four standard deviations of what the logits say."""
    counts = Counter(draws(SamplingParams(temperature=1.0, seed=0), 2000))
    assert 910 <= counts[1] <= 1090
    assert 518 <= counts[2] <= 682
    assert 146 <= counts[0] <= 254
    assert 146 <= counts[3] <= 254


def test_a_low_temperature_sharpens() -> None:
    """At 0.25 the odds 5 : 3 become 5⁴ : 3⁴; 0.88 of the draws take the largest."""
    counts = Counter(draws(SamplingParams(temperature=0.25, seed=0), 1000))
    assert 840 <= counts[1] <= 925


@pytest.mark.parametrize(
    ("params", "possible"),
    [
        (SamplingParams(temperature=1.0, top_k=1), {1}),
        (SamplingParams(temperature=1.0, top_k=2), {1, 2}),
        (SamplingParams(temperature=1.0, top_k=99), {0, 1, 2, 3}),
        (SamplingParams(temperature=1.0, top_p=0.4), {1}),
        (SamplingParams(temperature=1.0, top_p=0.75), {1, 2}),
        (SamplingParams(temperature=1.0, top_k=2, top_p=0.6), {1}),
        (SamplingParams(temperature=1.0, top_p=5e-324), {1}),
    ],
    ids=["k 1", "k 2", "k past all", "p within the first", "p within the second", "p of what k left", "p of nothing"],
)
def test_top_k_and_top_p_leave_the_likeliest(params: SamplingParams, possible: set[int]) -> None:
    """Only the likeliest tokens are drawn, and each of them sometimes."""
    assert set(draws(params, 300)) == possible


def test_top_p_looks_as_far_as_it_has_to() -> None:
    """When the likeliest thousand are not enough, the next ones are drawn too, and nothing past the mass."""
    logits = torch.full((4000,), -1.0)
    logits[:2000] = 1.0
    params = SamplingParams(temperature=1.0, top_p=0.8)
    drawn = sample(logits.expand(3000, -1), [sequence(params, position) for position in range(1, 3001)], 0)
    # The first half holds 0.88 of the mass, so 0.8 of the mass is 1817 of its 2000 equal tokens.
    assert 1300 < len(set(drawn)) <= 1817
    assert max(token for token in drawn if token is not None) < 2000


def test_a_seed_repeats_its_draws_in_any_batch() -> None:
    """A row's draw depends on its seed and position, not on its neighbours or its name."""
    one = sequence(SamplingParams(temperature=1.0, seed=7), 5, "one")
    other = sequence(SamplingParams(temperature=1.0, seed=8), 5, "other")
    logits = torch.zeros(1000)
    (alone,) = sample(logits.expand(1, -1), [one], 0)
    again = sequence(SamplingParams(temperature=1.0, seed=7), 5, "again")
    neighbour, _, repeated = sample(logits.expand(3, -1), [other, other, again], 1)
    assert repeated == alone != neighbour


def test_without_a_seed_the_engines_seed_and_the_request_decide() -> None:
    """The same engine seed repeats a request's draws; another request or engine seed draws anew."""
    logits = torch.zeros(1, 100_000)
    params = SamplingParams(temperature=1.0)
    first = sample(logits, [sequence(params)], 0)
    assert sample(logits, [sequence(params)], 0) == first
    assert sample(logits, [sequence(params)], 1) != first
    assert sample(logits, [sequence(params, request_id="other")], 0) != first


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_that_is_no_number_gives_no_token(bad: float, temperature: float) -> None:
    """One row's failure is its own."""
    logits = LOGITS.repeat(2, 1)
    logits[0, 2] = bad
    first, second = sample(logits, [sequence(SamplingParams(temperature=temperature, top_k=1))] * 2, 0)
    assert (first, second) == (None, 1)
