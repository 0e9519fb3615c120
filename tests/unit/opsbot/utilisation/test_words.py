"""What is told, as it is read: posts, the trend, the peak, countries, load tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from opsbot.capacity.forecast import Meeting, Readings
from opsbot.capacity.usage import Cluster
from opsbot.utilisation.expected import expected_lines, expected_of
from opsbot.utilisation.load_test import Counts, Expected, LoadTest, Measured, Size
from opsbot.utilisation.load_test_words import ending, lines, standing, title, verdict
from opsbot.utilisation.peak import daily_peak
from opsbot.utilisation.post import lease_words, utilisation_post
from opsbot.utilisation.report import Row
from opsbot.utilisation.traffic import NO_DOOR, NONE_KNOWN, by_country
from opsbot.utilisation.trend import Pace, pace_of_weeks, trend
from opsbot.vitals.day import FleetDay, Load, Peak
from opsbot.vitals.vitals import Fleet, LeaseInForce, Vitals

UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
NOW = 1_790_000_400.0
"""2026-09-21 14:20 UTC, a Monday."""
DAY = 86_400.0


def day(used: float | None = 0.62, meets: Meeting | None = None, known_s: float = 2 * DAY) -> FleetDay:
    """A day whose readings go back *known_s*."""
    step_s = 600.0
    values = [float("nan") if (144 - at) * step_s > known_s else 1_000_000.0 for at in range(145)]
    before = [float("nan") if (289 - at) * step_s > known_s else 900_000.0 for at in range(145)]
    return FleetDay(
        at=NOW,
        tokens=Readings(NOW - DAY, step_s, values),
        yesterday=Readings(NOW - 2 * DAY, step_s, before),
        used=None if used is None else Readings(NOW - DAY, step_s, [used] * 145),
        peak=Peak(NOW - 4 * 3600, 1_210_000.0, 0.81, "eu-1"),
        yesterdays_peak=Peak(NOW - 30 * 3600, 1_100_000.0, 0.74, "eu-2"),
        sentence="tok/min grows 3% a day",
        meets=meets,
        loads=(
            Load("eu-1", "llama", 700_000.0, 0.71, "KV", 990_000.0),
            Load("eu-2", "llama", 300_000.0, 0.45, "KV", 660_000.0),
        ),
    )


def meeting(early_h: float | None, likely_h: float | None, late_h: float | None) -> Meeting:
    """Hours from now."""
    return Meeting(*(None if hours is None else NOW + 3600 * hours for hours in (early_h, likely_h, late_h)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (day(None), "How full it is cannot be told: the capacity of a cluster is not known."),
        (day(1.02, meeting(0, 0, 0)), "It is full now."),
        (day(0.6, None), "Where it goes cannot be told yet: there are too few readings."),
        (day(0.6, meeting(1, 2, 3), 1800), "Where it goes cannot be told yet: there are too few readings."),
        (day(0.6, meeting(None, None, None)), "At this pace it is not full within the next 24 hours."),
        (day(0.6, meeting(10, 12, 15), 6 * 3600), "At this pace it is not full within the next 3 hours."),
        (day(0.6, meeting(2, 3, 4)), "At this pace it is full today about 17:30."),
        (day(0.6, meeting(22.5, 23.6, 23.8)), "At this pace it is full tomorrow about 14:00."),
        (
            day(0.6, meeting(4, 12, None)),
            "At this pace it is full tomorrow about 02:30; today about 18:30 at the earliest, or later.",
        ),
        (
            day(0.6, meeting(20, None, None)),
            "It may be full tomorrow about 10:30 at the earliest, but more likely not.",
        ),
    ],
)
def test_the_trend_claims_only_what_the_readings_bear(given: FleetDay, said: str) -> None:
    """One sentence; nothing further ahead than half of what was looked back."""
    assert trend(given, UTC) == said


def test_times_are_those_of_the_zone() -> None:
    """And the post says which it is."""
    report = utilisation_post(day(0.6, meeting(2, 3, 4)), NOW, BERLIN)
    assert report.lines == (
        "At this pace it is full today about 19:30.",
        "Peak of the last 24 hours: 1.21M tok/min at 12:20, 81% of capacity, most on eu-1.",
    )
    assert report.notes == ("Times are CEST (Europe/Berlin); those in the chart are UTC.",)


def test_a_post_has_its_numbers_first_and_its_clusters_below() -> None:
    """The title is what a notification shows."""
    report = utilisation_post(replace(day(), missing=("us-1",)), NOW, UTC, ["One post was skipped."])
    assert (report.key, report.title) == (f"post:{NOW:.0f}", "1M tokens a minute, 62% of capacity")
    assert report.rows == (Row("eu-1", "700k", "71%"), Row("eu-2", "300k", "45%"))
    assert report.notes == (
        "No numbers now from us-1, so the sum is too small.", "One post was skipped.", "Times are UTC.",
    )  # fmt: skip


def test_the_peak_is_told_against_the_day_and_the_week_before() -> None:
    """With what was in force; a week that nobody knows is said to be not known."""
    report = daily_peak(day(), None, ["In force at the peak: batch_limit on eu-1."], NOW, UTC)
    assert report.title == "Peak on Mon 21 Sep: 1.21M tokens a minute, 81% of capacity"
    assert report.lines == (
        "At 10:20, the most of the last 24 hours; eu-1 carried most of it.",
        "10% more than the day before (1.1M). What a week before had is not known.",
        "In force at the peak: batch_limit on eu-1.",
    )
    assert daily_peak(day(), 1_500_000.0, [], NOW, UTC).lines[1].endswith("19% less than a week before (1.5M).")
    assert daily_peak(day(), 1_200_000.0, [], NOW, UTC).lines[1].endswith("As much as a week before.")


def test_what_is_in_force_is_named_or_said_to_be_unknown() -> None:
    """A cluster that could not be asked is no cluster without leases."""
    lease = LeaseInForce("batch_limit", "8", "r-3fa2c1", NOW + 600)
    held = Fleet(NOW, {"eu-1": Vitals("eu-1", leases=(lease,)), "eu-2": Vitals("eu-2", leases=None)})
    assert lease_words(held) == "In force now: eu-1: batch_limit 8 by r-3fa2c1, 10 min left."
    assert lease_words(Fleet(NOW, {"eu-2": Vitals("eu-2")})) == "What is in force is not known of eu-2."
    assert lease_words(Fleet(NOW, {"eu-2": Vitals("eu-2", leases=())})) == "No emergency setting is in force now."


@pytest.mark.parametrize(
    ("counts", "title", "rows"),
    [
        (
            {"DE": 60.0, "US": 30.0, "other": 5.0, "unknown": 5.0},
            "Traffic by country: DE 60%",
            (Row("DE", "60", "60%"), Row("US", "30", "30%"), Row("others", "5", "5%"), Row("unknown", "5", "5%")),
        ),
        ({"unknown": 9.0}, "Traffic by country: not known", ()),
        ({}, "Traffic by country: not known", ()),
    ],
)
def test_countries_are_a_table_or_what_to_set(counts: Mapping[str, float], title: str, rows: tuple[Row, ...]) -> None:
    """The largest first; where no request has one, it says which setting gives it."""
    report = by_country(counts, "7 days", NOW, NOW)
    assert (report.title, report.rows) == (title, rows)
    if not rows:
        assert report.lines == ((NONE_KNOWN if counts else NO_DOOR),)


LOAD = Load("eu-1", "llama", 80_000.0, 0.2, "KV", 400_000.0)


@pytest.mark.parametrize(
    ("size", "load", "said"),
    [
        (
            Size(40, 80), LOAD,
            "eu-1 goes from 80k to at most 272k tok/min, 68% of what it can. "
            "It would be full at 66.7 such requests a second.",
        ),
        (
            Size(100, 80), LOAD,
            "eu-1 goes from 80k to at most 560k tok/min, 140% of what it can. That is more than it can from the first "
            "minute on, and callers will wait: 66.7 such requests a second fill it.",
        ),
        (Size(40), LOAD, "What it adds is not known: nobody said how many tokens a request has."),
        (Size(40, 80), None, "It adds up to 192k tok/min; what eu-1 carries now is not known."),
        (
            Size(40, 80), replace(LOAD, capacity=None),
            "eu-1 goes from 80k to at most 272k tok/min; how full that is, is not known.",
        ),
    ],
    ids=["fits", "too much", "no tokens", "no numbers", "no capacity"],
)  # fmt: skip
def test_what_a_load_test_will_do_is_reckoned(size: Size, load: Load | None, said: str) -> None:
    """From what the cluster carries and can; what is not known is said."""
    assert " ".join(expected_lines(expected_of(size, load), "eu-1")) == said


def load_test() -> LoadTest:
    """One of 40 requests a second that a run makes."""
    size = Size(40, 80)
    expected = expected_of(size, LOAD, "the first token stays under 2 s")
    return LoadTest(3, "x", "eu-1", size, expected, "U0ONCALL", "r-1", NOW, NOW + 600, 600, run_id="run:1")


def test_a_load_test_under_way_says_until_when_and_what_to_expect() -> None:
    """And past its end, that it closes by itself."""
    test = load_test()
    assert title(test) == "Load test 3 on eu-1: 40 requests a second"
    assert lines(test, NOW + 60, UTC) == [
        "Under way since 14:20, until 14:30 UTC.",
        "eu-1 goes from 80k to at most 272k tok/min, 68% of what it can.",
        "It would be full at 66.7 such requests a second.",
        "Who asked for it expects: the first token stays under 2 s.",
    ]
    assert standing(test, NOW + 601, UTC) == (
        "It should have ended at 14:30 UTC. If nobody closes it, it is closed at 14:40."
    )


@pytest.mark.parametrize(
    ("counts", "measured", "said"),
    [
        (Counts(100, 100), Measured(260_000.0), "It stayed within what was expected (272k tok/min at most)."),
        (
            Counts(100, 90, shed=10), Measured(260_000.0),
            "It did not stay within what was expected: 10 requests were turned away.",
        ),
        (None, Measured(400_000.0), "It did not stay within what was expected: 400k tok/min, not 272k."),
        (None, Measured(81_000.0), "eu-1 carried no more than before (80k tok/min): the load did not arrive there."),
        (None, Measured(), "Whether that is within what was expected cannot be told: too little is known."),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_what_was_measured(counts: Counts | None, measured: Measured, said: str) -> None:
    """Against what was expected when it was announced."""
    assert verdict(replace(load_test(), counts=counts, measured=measured)) == said


def test_a_verdict_without_expectation_is_none() -> None:
    """What the cluster carried was not known."""
    test = replace(load_test(), expected=Expected(), measured=Measured(5.0))
    assert verdict(test) == "Whether that is within what was expected cannot be told: too little is known."


@pytest.mark.parametrize(
    ("how", "run_id", "said"),
    [
        ("forgotten", "run:1", "Nobody closed this, so it was closed by itself. The load generator was told to stop."),
        (
            "forgotten", None,
            "Nobody closed this, so it was closed by itself. It ran elsewhere, where the bot cannot stop it: see that "
            "its load generator has ended.",
        ),
        ("stopped", None, "It ran elsewhere, where the bot cannot stop it: whoever runs it must end it now."),
        ("stopped", "run:1", ""),
        ("failed", "run:1", "Its run ended before it was made whole."),
    ],
)  # fmt: skip
def test_how_it_ended_is_said(how: str, run_id: str | None, said: str) -> None:
    """Above all whether a generator may still run."""
    assert ending(replace(load_test(), state="closed", how=how, run_id=run_id, closed_at=NOW)) == said  # type: ignore[arg-type]


def test_two_weeks_say_on_which_day() -> None:
    """Where more is known than two days, the trend reaches further."""
    pace = Pace(14 * DAY, 6 * DAY, meeting(71, 71.7, 73))
    assert trend(day(), UTC, pace) == "At this pace it is full on Thursday about 14:00."


def test_the_pace_of_weeks_is_reckoned_from_the_readings() -> None:
    """A load that doubles in a week from half of what is there is full before the week is over."""
    clusters = growing(14, per_day=2 ** (1 / 7), used_now=0.7)
    pace = pace_of_weeks(clusters, NOW)
    assert pace.meets is not None
    assert pace.meets.likely is not None
    assert 2.5 * DAY < pace.meets.likely - NOW < 5 * DAY
    assert pace.reach_s == 6 * DAY


def test_a_pace_of_a_few_hours_claims_nothing() -> None:
    """There is nothing to look at."""
    assert pace_of_weeks(growing(0.05, per_day=2.0, used_now=0.9), NOW).meets is None


def growing(days: float, *, per_day: float, used_now: float) -> tuple[Cluster]:
    """A cluster that grows steadily until now."""
    count = int(days * 24) + 1
    values = [1_000_000 * per_day ** ((at - count) / 24) for at in range(count)]
    start_s = NOW - (count - 1) * 3600
    shares = [used_now * value / values[-1] for value in values]
    return (Cluster("eu-1", "llama", Readings(start_s, 3600, values), {"KV": Readings(start_s, 3600, shares)}),)
