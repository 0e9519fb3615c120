"""Trend, band, and when the band meets capacity, on seeded series whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opsbot.capacity.forecast import Forecast, Meeting, Readings, forecast, meeting
from opsbot.capacity.lognormal import LogNormal

HOUR_S, DAY_S = 3600.0, 86_400.0


def load(num_hours: int, growth: float, *, memory: float = 0.0, scatter: float = 0.0, seed: int = 0) -> list[float]:
    """Hours of a load that grows by *growth* a day, with the day's course and a scatter that remembers."""
    random, error, values = np.random.default_rng(seed), 0.0, []
    for hour in range(num_hours):
        error = memory * error + scatter * random.standard_normal()
        course = 0.5 * math.sin(2 * math.pi * hour / 24)
        values.append(1000.0 * math.exp(math.log(growth) * hour / 24 + course + error))
    return values


def test_growth_is_found_under_the_days_course() -> None:
    """4% a day, in spite of peaks 2.7 times the troughs."""
    made = forecast(Readings(0.0, HOUR_S, load(240, 1.04, memory=0.7, scatter=0.03, seed=5)), 10 * DAY_S)
    assert made is not None
    assert made.has_trend
    assert made.growth_per_day.median == pytest.approx(1.04, abs=0.01)
    assert 1.001 < made.growth_per_day.spread < 1.01
    assert made.times[0] == 240 * HOUR_S
    assert len(made.times) == 240


def test_rates_whose_range_is_not_full_yet_are_left_out() -> None:
    """After a beginning within the time and after a gap; what began before it stays."""
    nan = math.nan
    beginning = Readings(0.0, 20.0, [nan, 10, 20, 30, 30, 30]).settled(60.0)
    assert [value for _, value in beginning.known()] == [30, 30]
    gap = Readings(0.0, 40.0, [30, 30, nan, 15, 30, 30, nan]).settled(60.0)
    assert gap.known() == [(0.0, 30), (40.0, 30), (200.0, 30)]


def test_a_level_load_has_no_trend() -> None:
    """Its growth's band holds 1."""
    made = forecast(Readings(0.0, HOUR_S, load(240, 1.0, scatter=0.1, seed=3)), DAY_S)
    assert made is not None
    assert not made.has_trend


@pytest.mark.parametrize("memory", [0.0, 0.8], ids=["none", "of hours"])
def test_the_band_holds_what_it_promises(memory: float) -> None:
    """Of two weeks' forecasts over 40 seeded loads, about 80% of the week after lies inside."""
    inside = 0
    for seed in range(40):
        values = load(504, 1.03, memory=memory, scatter=0.08, seed=seed)
        made = forecast(Readings(0.0, HOUR_S, values[:336]), 7 * DAY_S)
        assert made is not None
        inside += sum(band.low <= value <= band.high for value, band in zip(values[336:], made.values, strict=True))
    assert 0.74 <= inside / (40 * 168) <= 0.86


def test_gaps_and_idle_hours_are_no_zeros() -> None:
    """NaN and 0 are left out: the same growth is found without them."""
    values = load(240, 1.04)
    values[50:60], values[100] = [math.nan] * 10, 0.0
    made = forecast(Readings(0.0, HOUR_S, values), DAY_S)
    assert made is not None
    assert made.growth_per_day.median == pytest.approx(1.04, rel=1e-3)


@pytest.mark.parametrize("values", [[], [0.0] * 100, [5.0] * 19], ids=["none", "idle", "too few"])
def test_too_few_readings_have_no_forecast(values: list[float]) -> None:
    """Nothing is made up."""
    assert forecast(Readings(0.0, HOUR_S, values), DAY_S) is None


def test_a_constant_load_stays() -> None:
    """Without scatter there is a forecast too."""
    made = forecast(Readings(0.0, HOUR_S, [5.0] * 30), DAY_S)
    assert made is not None
    assert made.values[-1].median == pytest.approx(5.0)


def straight(sigma: float) -> Forecast:
    """Ten days that double each day from 1."""
    days = range(10)
    return Forecast(
        LogNormal(math.log(2)), [day * DAY_S for day in days], [LogNormal(day * math.log(2), sigma) for day in days]
    )


def test_a_load_that_is_known_meets_capacity_at_one_time() -> None:
    """It doubles each day and meets 8 on the third."""
    assert meeting(straight(0.0), LogNormal(math.log(8))) == Meeting(3 * DAY_S, 3 * DAY_S, 3 * DAY_S)


def test_a_band_meets_capacity_in_a_range() -> None:
    """A spread of 2 is a day each way; what is unsure about capacity widens the range."""
    sure = LogNormal.of_range(0.5, 2.0).sigma
    assert meeting(straight(sure), LogNormal(math.log(8.01))) == Meeting(3 * DAY_S, 4 * DAY_S, 5 * DAY_S)
    assert meeting(straight(sure), LogNormal(math.log(8.01), 2 * sure)) == Meeting(1 * DAY_S, 4 * DAY_S, 6 * DAY_S)


def test_what_is_not_met_has_no_time() -> None:
    """A capacity of a million."""
    assert meeting(straight(0.1), LogNormal(math.log(1e6))) == Meeting(None, None, None)
