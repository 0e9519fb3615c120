"""Scenarios: the seed decides everything, and load arrives as stated."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.persona import Population
from serving_stub.traffic.scenarios import SCENARIOS, SHARED, SHARED_AT_LAUNCH, Load, asks
from serving_stub.traffic.words import prompt


def all_asks(name: str, *, rate: float = 20.0, duration_s: float = 100.0, seed: int = 7) -> list[Ask]:
    """Every request of one run, which is a day of its plan."""
    load = Load(rate, duration_s, num_words=40, seed=seed, num_long_words=400, day_s=duration_s)
    return list(asks(SCENARIOS[name], load, Population.of(seed)))


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
    assert abs(shared / len(prompts) - SHARED_AT_LAUNCH) < 0.06
    assert SHARED < SHARED_AT_LAUNCH


def test_japan_overtakes_the_united_states() -> None:
    """In the plan's first hours the United States ask most, half a day later Japan does, and a day later neither."""
    hours: dict[str, Counter[int]] = {"US": Counter(), "JP": Counter()}
    for ask in all_asks("diurnal", rate=400.0, duration_s=96.0):
        assert ask.persona is not None
        if ask.persona.country in hours:
            hours[ask.persona.country][int(ask.at_s / 4)] += 1
    leads = [hour for hour in range(24) if hours["JP"][hour] > hours["US"][hour]]
    assert leads[0] in (6, 7)
    assert leads[-1] in (19, 20)
    assert leads == list(range(leads[0], leads[-1] + 1))


def test_a_day_can_be_compressed() -> None:
    """The same rate over a day of another length changes at other times."""
    load = Load(rate=100.0, duration_s=60.0, num_words=5, seed=1, day_s=6000.0)
    people = Population.of(1)
    diurnal = SCENARIOS["diurnal"]
    early = Counter(ask.persona.country for ask in asks(diurnal, load, people) if ask.persona)
    assert early["US"] > 8 * early["JP"]  # a hundredth of a day is a quarter of an hour


def test_long_contexts_are_few_and_long() -> None:
    """About one prompt in seven is very long, and together they are most of the words."""
    lengths = [len(ask.prompt.split()) for ask in all_asks("long_context")]
    assert set(lengths) == {40, 400}
    assert abs(lengths.count(400) / len(lengths) - 0.15) < 0.03


def test_a_retry_storm_has_a_pulse() -> None:
    """Arrivals double from a fifth to a third of the run; before and after they are the same."""
    times = [ask.at_s for ask in all_asks("retry_storm", rate=60.0)]
    before, pulse, after = (sum(start <= at_s < start + 15 for at_s in times) for start in (0, 20, 60))
    assert abs(before - 450) < 110
    assert abs(pulse - 900) < 150
    assert abs(after - 450) < 110


def test_conversations_have_turns_with_pauses() -> None:
    """A conversation is one person's, its turns come in order with at least two seconds between."""
    turns: dict[str, list[Ask]] = {}
    for ask in all_asks("conversations"):
        assert ask.conversation is not None
        turns.setdefault(ask.conversation, []).append(ask)
    longest = max(turns.values(), key=len)
    assert [ask.label for ask in longest] == ["turn 1", "turn 2", "turn 3", "turn 4", "turn 5", "turn 6"]
    for talk in turns.values():
        assert len({ask.persona for ask in talk}) == 1
        assert all(2.0 <= later.at_s - earlier.at_s <= 40.0 for earlier, later in pairwise(talk))


def test_conversations_have_the_asked_rate_of_requests() -> None:
    """Rate counts requests, not conversations; those that would end after the run are cut."""
    per_s = Counter(int(ask.at_s / 100) for ask in all_asks("conversations", duration_s=400.0))
    assert abs(per_s[3] - 2000) < 300
