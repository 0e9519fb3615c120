"""Scenarios: the seed decides everything, and load arrives as stated."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from serving_stub.traffic.scenarios import SCENARIOS, Ask, asks, prompt

STEADY, SPIKE = SCENARIOS["steady"], SCENARIOS["launch_spike"]


def all_asks(name: str, *, rate: float = 20.0, duration_s: float = 100.0, seed: int = 7) -> list[Ask]:
    """Every request of one run."""
    return list(asks(SCENARIOS[name], rate, duration_s, 40, seed))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_seed_repeats_the_run(name: str) -> None:
    """The same seed gives the same users at the same times, another seed others."""
    assert all_asks(name) == all_asks(name)
    assert all_asks(name) != all_asks(name, seed=8)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_arrivals_are_in_order_and_within_the_run(name: str) -> None:
    """Nobody arrives before an earlier one or after the end."""
    times = [ask.at_s for ask in all_asks(name)]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times[0] > 0
    assert times[-1] < 100.0


def test_steady_load_has_its_rate() -> None:
    """About rate times duration users arrive, within five standard deviations of a Poisson count."""
    assert abs(len(all_asks("steady")) - 2000) < 5 * 2000**0.5


def test_steady_gaps_are_those_of_a_poisson_process() -> None:
    """Users arrive alone: a share of 1/e of the gaps is longer than the mean gap."""
    times = [ask.at_s for ask in all_asks("steady")]
    long_gaps = sum(later - earlier > 1 / 20 for earlier, later in pairwise(times))
    assert abs(long_gaps / len(times) - 0.368) < 0.05


def test_a_launch_spike_grows() -> None:
    """A launch spike starts low and reaches the full rate after its ramp."""
    times = [ask.at_s for ask in all_asks("launch_spike", rate=200.0, duration_s=20.0)]
    seconds = Counter(int(at_s) for at_s in times)
    assert seconds[0] < 80
    assert all(seconds[second] > 140 for second in range(6, 20))


@pytest.mark.parametrize("num_words", [1, 5, 40, 300])
def test_prompts_have_the_asked_length(num_words: int) -> None:
    """A prompt has exactly the number of words that was asked for."""
    assert len(prompt(random.Random(1), num_words, 0.5).split()) == num_words


def test_prompts_vary_and_some_share_a_beginning() -> None:
    """Most prompts differ, and the stated share begins with one of a few texts."""
    prompts = [ask.prompt for ask in all_asks("launch_spike", rate=50.0, duration_s=40.0)]
    assert len(set(prompts)) > 0.95 * len(prompts)
    beginnings = Counter(" ".join(text.split()[:10]) for text in prompts)
    shared = sum(number for _, number in beginnings.most_common(3))
    assert abs(shared / len(prompts) - SPIKE.shared_prefix_share) < 0.06
    assert STEADY.shared_prefix_share < SPIKE.shared_prefix_share
