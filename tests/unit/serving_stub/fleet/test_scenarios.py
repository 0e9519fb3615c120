"""Fleet scenarios: repeatable, in order, with the shape that their names promise."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median

import pytest

from serving_stub.errors import SettingError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.scenarios import FLEET_SCENARIOS, FleetLoad, Mark, arrivals, events, marks
from serving_stub.fleet.spec import LAUNCH_DAY, Lost, Restored, load_fleet

LOAD = FleetLoad(rate=50, duration_s=600, seed=7, models={"large": 3, "small": 1}, longest=4096, day_s=600)


def run_of(name: str, load: FleetLoad = LOAD) -> list[Arrival]:
    """All arrivals."""
    return list(arrivals(FLEET_SCENARIOS[name], load))


@pytest.mark.parametrize("name", sorted(FLEET_SCENARIOS))
def test_the_same_seed_gives_the_same_run_in_order(name: str) -> None:
    """Another seed gives another; lengths keep within the longest, times within the run."""
    run = run_of(name)
    assert run == run_of(name)
    assert run != run_of(name, replace(LOAD, seed=8))
    assert all(one.at_s <= other.at_s for one, other in pairwise(run))
    assert run[0].at_s >= 0
    assert run[-1].at_s < 600
    assert all(one.prompt_tokens >= 1 and one.answer_tokens >= 1 for one in run)
    assert max(one.prompt_tokens + one.answer_tokens for one in run) <= 4096


def rate(run: list[Arrival], start_s: float, end_s: float) -> float:
    """Requests a second between two times."""
    return sum(start_s <= one.at_s < end_s for one in run) / (end_s - start_s)


def test_launch_day() -> None:
    """15 % before the launch, 60 % just after, 150 % at the end; models by their shares, medians as stated."""
    run = run_of("launch_day")
    assert rate(run, 0, 60) == pytest.approx(7.5, rel=0.15)
    assert rate(run, 72, 102) == pytest.approx(30.8, rel=0.15)
    assert rate(run, 570, 600) == pytest.approx(74, rel=0.15)
    assert marks(FLEET_SCENARIOS["launch_day"], LOAD)[0] == Mark(60, "the launch is announced")
    assert Counter(one.model for one in run)["small"] / len(run) == pytest.approx(0.25, abs=0.02)
    assert median(one.prompt_tokens for one in run) == pytest.approx(1020, rel=0.04)
    assert median(one.answer_tokens for one in run) == pytest.approx(129, rel=0.04)


def test_japan_overtakes() -> None:
    """In the first hours the United States lead, from the eighth on Japan; the mark is between."""
    run = run_of("japan_overtakes")
    hour = 600 / 24
    early = Counter(one.country for one in run if one.at_s < 5 * hour)
    late = Counter(one.country for one in run if 8 * hour <= one.at_s < 12 * hour)
    assert early["US"] > early["JP"]
    assert late["JP"] > late["US"]
    (mark,) = marks(FLEET_SCENARIOS["japan_overtakes"], LOAD)
    assert mark.at_s == 175


def test_region_lost() -> None:
    """An even load; the region with the most capacity goes and comes back."""
    fleet = load_fleet(LAUNCH_DAY)
    lost, restored = events(FLEET_SCENARIOS["region_lost"], LOAD, fleet)
    assert isinstance(lost, Lost)
    assert isinstance(restored, Restored)
    assert (lost.at_s, restored.at_s) == (180, 420)
    assert lost.clusters == restored.clusters == fleet.named("us-west")
    assert events(FLEET_SCENARIOS["launch_day"], LOAD, fleet) == ()
    assert rate(run_of("region_lost"), 0, 600) == pytest.approx(40, rel=0.05)


def test_gpu_mixed() -> None:
    """Long prompts and short answers first, the reverse at the end."""
    run = run_of("gpu_mixed")
    first, last = run[: len(run) // 5], run[-len(run) // 5 :]
    assert sum(one.prompt_tokens for one in first) > 12 * sum(one.answer_tokens for one in first)
    assert sum(one.prompt_tokens for one in last) < 2 * sum(one.answer_tokens for one in last)


def test_slow_growth() -> None:
    """4 % an hour: the load's rate is passed in the fourteenth hour of the plan."""
    run = run_of("slow_growth", replace(LOAD, rate=200))
    assert rate(run, 0, 25) == pytest.approx(122, rel=0.06)
    assert rate(run, 325, 350) == pytest.approx(204, rel=0.06)


def test_a_long_run_costs_nothing_before_it_is_asked_for() -> None:
    """A year's worth of arrivals begins at once, and a thousand of them are there within a second."""
    started = time.process_time()
    some = list(islice(arrivals(FLEET_SCENARIOS["launch_day"], FleetLoad(500, 3.2e7, 1, {"m": 1})), 1000))
    assert len(some) == 1000
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": 0.0}, "rate is 0.0, expected a number above 0"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"longest": 1}, "longest is 1"),
        ({"models": {}}, "models needs at least one model"),
        ({"models": {"m": 0.0}}, "models needs at least one model"),
    ],
)
def test_loads_that_cannot_be(change: dict[str, object], said: str) -> None:
    """The setting, its value, and what is expected."""
    with pytest.raises(SettingError, match=said):
        FleetLoad(**{"rate": 1.0, "duration_s": 1.0, "seed": 0, "models": {"m": 1.0}, **change})  # type: ignore[arg-type]
