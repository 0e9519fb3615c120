"""The fleet's pictures: its day, the clusters' load, the countries' traffic."""

from __future__ import annotations

import io
from typing import get_args

import pytest
from PIL import Image

from opsbot.chart.bar_chart import MOST_ROWS, bars_of_clusters, bars_of_countries, draw_bars, spoken
from opsbot.chart.day_chart import alt_text, draw_day, headline
from opsbot.chart.picture import Theme
from opsbot.vitals.day import FleetDay, day_of
from tests.support.courses import END_S, make_clusters

THEMES = get_args(Theme)


@pytest.fixture(scope="module")
def day() -> FleetDay:
    """Three clusters, 6,000 a minute at noon yesterday, a tenth more today."""
    return day_of(make_clusters(3), END_S)


def test_the_numbers_of_a_day(day: FleetDay) -> None:
    """Sums of what clusters carry, the daily peak and yesterday's, and the trend in words."""
    assert day.tokens.end_s == END_S
    assert len(day.tokens.values) == len(day.yesterday.values) == 145
    assert day.peak is not None
    assert day.yesterdays_peak is not None
    assert day.peak.tokens_per_min / day.yesterdays_peak.tokens_per_min == pytest.approx(1.1, rel=0.01)
    assert (day.peak.at % 86_400) / 3600 == pytest.approx(12.3, abs=0.4)
    assert day.peak.cluster == "eu-3"
    assert day.used_now == pytest.approx((day.tokens_now or 0) / 24_000, rel=1e-6)
    assert day.sentence.startswith("tok/min grows 10% a day; the KV bound is not met within 24 hours")
    assert [one.cluster for one in day.loads] == ["eu-1", "eu-2", "eu-3"]
    assert day.missing == ()


def test_a_cluster_that_went_silent_is_named() -> None:
    """Its last numbers are not shown as those of now."""
    found = day_of(make_clusters(3, silent=1), END_S)
    assert found.missing == ("eu-2",)
    assert next(one for one in found.loads if one.cluster == "eu-2").tokens_per_min is None
    assert "Nothing is known now of eu-2." in alt_text(found)


def test_without_a_bound_there_is_no_share() -> None:
    """Unknown is not drawn as nothing."""
    found = day_of(make_clusters(2, is_known=False), END_S)
    assert (found.used, found.used_now, found.meets) == (None, None, None)
    assert "capacity" not in headline(found)
    assert draw_day(found, "light").startswith(b"\x89PNG")


@pytest.mark.parametrize("theme", THEMES)
def test_a_day_is_drawn(day: FleetDay, theme: Theme) -> None:
    """As wide as every picture."""
    picture = Image.open(io.BytesIO(draw_day(day, theme)))
    assert 760 <= picture.width <= 800
    assert alt_text(day).startswith(f"The fleet's last 24 hours to 14:20 UTC: {headline(day)}. The peak was ")


@pytest.mark.parametrize("theme", THEMES)
def test_forty_clusters_are_thirty_rows(theme: Theme) -> None:
    """The fullest have their own; the rest stand together."""
    bars = bars_of_clusters(day_of(make_clusters(40), END_S).loads)
    assert len(bars) == MOST_ROWS
    assert bars[-1].name == "11 others"
    assert draw_bars(bars, "Load by cluster", "note", theme).startswith(b"\x89PNG")


def test_countries_are_sorted_and_the_rest_comes_last() -> None:
    """`other` is the door's own rest; shares are of all."""
    bars = bars_of_countries({"DE": 30.0, "other": 50.0, "US": 100.0, "unknown": 20.0})
    assert [(one.name, one.amount, one.share) for one in bars] == [
        ("US", "100", "50%"), ("DE", "30", "15%"), ("unknown", "20", "10%"), ("others", "50", "25%"),
    ]  # fmt: skip
    assert spoken(bars).startswith("US 100, 50%; DE 30, 15%")
    assert bars_of_countries({}) == ()
    assert draw_bars(bars_of_countries({"DE": 0.0}), "Traffic", "", "dark").startswith(b"\x89PNG")
