"""A rotation without gaps has exactly one person at every moment, whatever the clocks of its time zone do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.oncall.model import Hours, Member, Rotation, Schedule
from opsbot.oncall.turn import turn, who

# Changes of an hour both ways, of half an hour (Lord Howe), at midnight (Santiago), none, and a skipped day (Apia).
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Tokyo", "Pacific/Apia")
CHANGES = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-09-06", "2026-10-04", "2026-10-25", "2026-11-01")

zones = st.sampled_from(ZONES).map(ZoneInfo)
clocks = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 45)))
members = st.integers(1, 4).map(lambda count: tuple(Member(f"p{n}", f"U0P{n}") for n in range(count)))
moments = st.one_of(
    st.floats(datetime(2026, 1, 10, tzinfo=UTC).timestamp(), datetime(2028, 1, 1, tzinfo=UTC).timestamp()),
    st.builds(
        lambda day, minutes: (datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minutes)).timestamp(),
        st.sampled_from(CHANGES),
        st.integers(-24 * 60, 48 * 60),
    ),
)
rotations = st.builds(Rotation, members, st.just(date(2026, 1, 5)), st.sampled_from((1, 2, 7, 14)), clocks)


@given(zones, rotations, moments)
@settings(deadline=None)
def test_somebody_is_on_call_and_their_turn_goes_by_local_days(zone: ZoneInfo, rotation: Rotation, at: float) -> None:
    """Counting local days and the handoff's time by hand gives the same person."""
    local = datetime.fromtimestamp(at, zone)
    # A wall clock that was set back shows some times twice; the handoff was at the first of them.
    is_over = datetime.combine(local.date(), rotation.handoff, zone).timestamp() <= at
    day = local.date() if is_over else local.date() - timedelta(days=1)
    index = (day - rotation.start).days // rotation.shift_days
    assert who(Schedule("s", zone, (rotation,)), at) == rotation.people[index % len(rotation.people)]


@given(zones, rotations, moments)
@settings(deadline=None, max_examples=50)
def test_turns_follow_one_another_without_gap_or_overlap(zone: ZoneInfo, rotation: Rotation, at: float) -> None:
    """Each turn's end is the next one's beginning, and in between nobody else is on call."""
    schedule = Schedule("s", zone, (rotation,))
    for _ in range(10):
        found = turn(schedule, at)
        assert found.member is not None
        if found.until is None:
            assert len(rotation.people) == 1
            return
        assert found.until > at
        for share in (0.0, 0.3, 0.7, 0.999):
            assert who(schedule, at + (found.until - at) * share) == found.member
        assert found.next_member == who(schedule, found.until) != found.member
        at = found.until


@given(zones, clocks, clocks, moments)
@settings(deadline=None)
def test_hours_and_their_rest_leave_no_gap(zone: ZoneInfo, begin: time, end: time, at: float) -> None:
    """One rotation for some hours of all days, one for the others: somebody is on call, from either."""
    if begin == end:
        return
    everyday = frozenset(range(7))
    day, night = (Member("day", "U0DAY"),), (Member("night", "U0NIGHT"),)
    parts = (
        Rotation(day, date(2026, 1, 1), 1, time(0), Hours(everyday, begin, end)),
        Rotation(night, date(2026, 1, 1), 1, time(0), Hours(everyday, end, begin)),
    )
    assert who(Schedule("s", zone, parts), at) is not None
