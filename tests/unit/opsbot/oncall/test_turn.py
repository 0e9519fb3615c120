"""Who is on call at a moment, until when, and who is next; also on the days when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from opsbot.oncall.model import Hours, Member, Override, Rotation, Schedule
from opsbot.oncall.turn import turn, who

ANNA, BEN, CLEO = Member("anna", "U0ANNA"), Member("ben", "U0BEN"), Member("cleo", "U0CLEO")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours(frozenset(range(5)), time(9), time(18))


def at(text: str) -> float:
    """Seconds since the epoch of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def weekly(*people: Member, handoff: time = time(9), hours: Hours | None = None, days: int = 7) -> Rotation:
    """From Monday, 5 January 2026."""
    return Rotation(people, date(2026, 1, 5), days, handoff, hours)


def schedule(*rotations: Rotation, overrides: tuple[Override, ...] = ()) -> Schedule:
    """In Berlin."""
    return Schedule("serving", BERLIN, rotations, overrides)


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2026-01-05 07:59", None),  # before the first handoff
        ("2026-01-05 08:00", "anna"),
        ("2026-01-12 07:59", "anna"),
        ("2026-01-12 08:00", "ben"),
        ("2026-01-19 08:00", "anna"),
        ("2026-03-30 06:59", "ben"),  # summer time since 29 March: 09:00 is an hour earlier in UTC
        ("2026-03-30 07:00", "anna"),
        ("2026-10-26 07:59", "ben"),  # winter time since 25 October
        ("2026-10-26 08:00", "anna"),
    ],
)
def test_a_week_each(moment: str, name: str | None) -> None:
    """The handoff stays at 09:00 local time."""
    found = who(schedule(weekly(ANNA, BEN)), at(moment))
    assert (None if found is None else found.name) == name


@pytest.mark.parametrize(
    ("handoff", "last", "first"),
    [
        (time(2, 30), "2026-03-29 01:29", "2026-03-29 01:30"),  # 02:30 is skipped: taken as 03:30 summer time
        (time(2, 30), "2026-10-25 00:29", "2026-10-25 00:30"),  # 02:30 comes twice: the first counts
    ],
)
def test_a_handoff_at_an_hour_that_is_skipped_or_comes_twice(handoff: time, last: str, first: str) -> None:
    """There is one handoff that day, and not two."""
    daily = schedule(weekly(ANNA, BEN, days=1, handoff=handoff))
    before, after = who(daily, at(last)), who(daily, at(first))
    assert {before, after} == {ANNA, BEN}
    assert turn(daily, at(last)).until == at(first)
    assert who(daily, at(first) + 3600) == after


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2026-01-05 08:00", "anna"),  # Monday at 09:00
        ("2026-01-05 16:59", "anna"),
        ("2026-01-05 17:00", "cleo"),
        ("2026-01-10 12:00", "cleo"),  # Saturday
        ("2026-01-12 12:00", "ben"),
    ],
)
def test_the_first_rotation_that_counts_is_asked(moment: str, name: str) -> None:
    """By day the office, else somebody else."""
    both = schedule(weekly(ANNA, BEN, hours=OFFICE), weekly(CLEO))
    found = who(both, at(moment))
    assert found is not None
    assert found.name == name


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    """Friday's night ends on Saturday morning."""
    night = schedule(weekly(ANNA, hours=Hours(frozenset({4}), time(22), time(6))))
    assert who(night, at("2026-01-09 20:59")) is None
    assert who(night, at("2026-01-09 21:00")) == ANNA
    assert who(night, at("2026-01-10 04:59")) == ANNA
    assert who(night, at("2026-01-10 05:00")) is None
    assert who(night, at("2026-01-10 21:00")) is None


def test_an_override_is_instead_of_everybody() -> None:
    """From its first moment up to its end, and it is said."""
    exception = Override(CLEO, at("2026-01-07 12:00"), at("2026-01-08 12:00"))
    found = turn(schedule(weekly(ANNA, BEN), overrides=(exception,)), at("2026-01-07 12:00"))
    assert (found.member, found.until, found.next_member) == (CLEO, at("2026-01-08 12:00"), ANNA)
    assert found.override == exception


def test_until_when_and_who_is_next() -> None:
    """Turns of the same person in a row are one."""
    both = schedule(weekly(ANNA, ANNA, BEN))
    found = turn(both, at("2026-01-06 12:00"))
    assert (found.member, found.until, found.next_member) == (ANNA, at("2026-01-19 08:00"), BEN)


def test_before_the_first_turn_it_says_when_that_is() -> None:
    """Nobody until then."""
    found = turn(schedule(weekly(ANNA)), at("2025-12-31 00:00"))
    assert (found.member, found.until, found.next_member) == (None, at("2026-01-05 08:00"), ANNA)


def test_one_person_has_no_end() -> None:
    """And there is nobody next."""
    found = turn(schedule(weekly(ANNA)), at("2026-02-01 00:00"))
    assert (found.member, found.until, found.next_member) == (ANNA, None, None)
