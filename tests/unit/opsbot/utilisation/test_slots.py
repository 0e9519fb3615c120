"""Slots of schedules, over the days when clocks are changed, and what is due after an absence."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from opsbot.utilisation.slots import MOST_COUNTED, Due, Schedule, cron_of

BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")


def at(text: str, zone: ZoneInfo = BERLIN, *, fold: int = 0) -> float:
    """A moment of a zone's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def utc(slots: list[float]) -> list[str]:
    """As UTC."""
    return [datetime.fromtimestamp(slot, ZoneInfo("UTC")).strftime("%m-%d %H:%M") for slot in slots]


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        ("0 9 * * *", BERLIN, "2026-03-28T12:00", ["03-29 07:00", "03-30 07:00"]),
        ("0 9 * * *", BERLIN, "2026-10-24T12:00", ["10-25 08:00", "10-26 08:00"]),
        # That time is not on the clock, so it is told an hour later by it.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:30", "03-30 00:30"]),
        # That time is twice on the clock, and told once.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
        # Every hour is every hour, also the one that comes twice.
        ("0 * * * *", BERLIN, "2026-10-25T00:30", ["10-24 23:00", "10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("0 * * * *", BERLIN, "2026-03-29T00:30", ["03-29 00:00", "03-29 01:00", "03-29 02:00"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
        ("0 9 * * mon-fri", KOLKATA, "2026-11-27T12:00", ["11-30 03:30", "12-01 03:30"]),
    ],
    ids=[
        "spring",
        "autumn",
        "in the gap",
        "twice on the clock",
        "hours autumn",
        "hours spring",
        "New York",
        "weekdays",
    ],
)
def test_a_cron_follows_the_clock_of_its_zone(cron: str, zone: ZoneInfo, start: str, expected: list[str]) -> None:
    """Each slot once, at the time that people there read."""
    schedule = Schedule(zone, cron)
    assert utc(list(islice(schedule.after(at(start, zone)), len(expected)))) == expected


def test_an_interval_does_not_know_clocks() -> None:
    """Every six hours of UTC, over the change too."""
    schedule = Schedule(BERLIN, every_s=6 * 3600.0)
    slots = list(islice(schedule.after(at("2026-10-24T20:00")), 4))
    assert utc(slots) == ["10-25 00:00", "10-25 06:00", "10-25 12:00", "10-25 18:00"]


def test_what_is_due_is_the_newest_and_the_others_are_missed() -> None:
    """After three hours away an hourly post is told for this hour alone."""
    schedule = Schedule(BERLIN, every_s=3600.0)
    told = at("2026-11-02T08:00")
    assert schedule.due(told, told + 3599) == Due(None)
    assert schedule.due(told, told + 3601) == Due(told + 3600)
    assert schedule.due(told, told + 3 * 3600 + 60) == Due(told + 3 * 3600, 2, told + 3600)


def test_a_slot_that_lies_back_is_missed_and_not_told_late() -> None:
    """Ten minutes at most, or half the interval."""
    daily = Schedule(BERLIN, "0 9 * * *")
    told, nine = at("2026-11-01T09:00"), at("2026-11-02T09:00")
    assert daily.due(told, nine + 600) == Due(nine)
    assert daily.due(told, nine + 601) == Due(None, 1, nine)
    often = Schedule(BERLIN, every_s=120.0)
    assert often.due(1200.0, 1380.5) == Due(None, 1, 1320.0)


def test_a_month_away_is_counted_up_to_a_limit() -> None:
    """And what is due is still the newest."""
    schedule = Schedule(BERLIN, every_s=60.0)
    due = schedule.due(0.0, 30 * 86_400.0 + 5)
    assert due == Due(30 * 86_400.0, MOST_COUNTED, 60.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 9 * *", "five are needed"),
        ("0 9 * * 1-5", "name the days of the week"),
        ("0 25 * * *", "is no cron expression"),
        ("x 9 * * mon", "is no cron expression"),
        ("0 9 * * monday", "is no cron expression"),
    ],
)
def test_what_is_no_cron_is_refused_with_what_to_write(text: str, said: str) -> None:
    """Days of the week by name, since programs disagree about the numbers."""
    with pytest.raises(ValueError, match=said) as caught:
        cron_of(text, BERLIN)
    assert text in str(caught.value)
