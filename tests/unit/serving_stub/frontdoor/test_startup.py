"""What a start does to journalled leases: clocks that stepped, knobs that are gone, ramps and commands under way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import Command, Commanded, CommandKind, CommandRequest, CommandState
from serving_stub.frontdoor.gate import DRAIN
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.knob import Knob, OnEnd, Value
from serving_stub.frontdoor.lease import EndReason, Granted, Lease, LeaseEvent, LeaseState, Ramped
from serving_stub.frontdoor.startup import moved
from tests.support.serving_leases import KNOB, lease_request


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "leases.jsonl"


def started(path: Path, now: float, *events: LeaseEvent, knobs: tuple[Knob, ...] = (KNOB, DRAIN)) -> LeaseBook:
    """The book of a server that starts at *now*, journals *events* and is killed."""
    journal, book = LeaseJournal.open(path, knobs, now)
    journal.append(events)
    journal.close()
    return book


def grant(
    lease_id: str = "a", *, now: float, ttl_s: float = 60.0, on_end: OnEnd = "release", knob: str = "batch_limit"
) -> Granted:
    """A lease granted at *now*."""
    value: Value = 8 if knob == "batch_limit" else {}
    request = replace(lease_request(key=lease_id), value=value, ttl_s=ttl_s, on_end=on_end, knob=knob)
    return Granted(Lease(lease_id, request, now, now + ttl_s, 32))


def test_a_clock_an_hour_back_leaves_a_lease_the_time_it_had(path: Path) -> None:
    """Ten seconds were journalled as gone; fifty are left, whatever the clock shows now."""
    started(path, 10_000.0, grant(now=10_000.0), grant("b", now=10_010.0))
    book = started(path, 6400.0)
    assert (book.get("a").expires_at, book.get("b").expires_at) == (6450.0, 6460.0)
    assert book.get("a").state is LeaseState.LIVE


def test_a_clock_that_is_still_back_at_the_next_start_takes_no_more(path: Path) -> None:
    """The times are moved once; the second start finds nothing ahead of it."""
    started(path, 10_000.0, grant(now=10_000.0))
    started(path, 6400.0)
    assert started(path, 6430.0).get("a").expires_at == 6460.0
    assert started(path, 6460.0).get("a").end_reason is EndReason.EXPIRED


def test_a_renewed_lease_lives_its_last_ttl_at_most(path: Path) -> None:
    """The time of the renewal counts, not that of the grant."""
    lease = grant(now=10_000.0)
    book = LeaseBook({KNOB.name: KNOB}).apply(lease)
    started(path, 10_000.0, lease, book.renew("a", 100.0, 10_050.0))
    assert started(path, 6400.0).get("a").expires_at == 6500.0


def test_a_clock_that_went_on_moves_nothing(path: Path) -> None:
    """The usual restart."""
    started(path, 10_000.0, grant(now=10_000.0))
    assert started(path, 10_030.0).get("a").expires_at == 10_060.0


def test_a_ramp_of_a_stepped_clock_goes_on() -> None:
    """Its pause is no longer than a pause."""
    book = LeaseBook({KNOB.name: KNOB}).apply(grant(now=0.0, on_end="ramp"))
    book = moved(book.apply(Ramped("a", 5000.0, 0.4, EndReason.EXPIRED)), 100.0)
    assert book.next_due() == 110.0


def test_what_expired_while_down_ramps_from_where_it_stood(path: Path) -> None:
    """Nobody knows yet whether the load allows a step; so none was taken."""
    started(path, 0.0, grant(now=0.0, on_end="ramp"), grant("b", now=0.0, on_end="hold_unhealthy", knob="drain"))
    book = started(path, 5000.0)
    assert (book.get("a").state, book.get("a").strength) == (LeaseState.RAMPING, 1.0)
    assert book.get("b").state is LeaseState.HOLDING
    assert started(path, 5001.0).get("a") == book.get("a")


def test_a_ramp_survives_a_restart_step_by_step(path: Path) -> None:
    """It is neither begun again nor over."""
    started(path, 0.0, grant(now=0.0, on_end="ramp"), Ramped("a", 60.0, 0.4, EndReason.EXPIRED))
    lease = started(path, 61.0).get("a")
    assert (lease.state, lease.strength, lease.changed_at) == (LeaseState.RAMPING, 0.4, 60.0)


def test_a_lease_of_a_knob_that_is_gone_ends(path: Path) -> None:
    """It says why, instead of living on without effect."""
    started(path, 0.0, grant(now=0.0, knob="drain"))
    lease = started(path, 1.0, knobs=(KNOB,)).get("a")
    assert (lease.ended_at, lease.end_reason) == (1.0, EndReason.UNUSABLE)


def test_a_value_that_no_longer_fits_ends(path: Path) -> None:
    """A release that renamed a field starts all the same."""
    odd = grant(now=0.0, knob="drain")
    started(path, 0.0, replace(odd, lease=replace(odd.lease, request=replace(odd.lease.request, value={"x": 1}))))
    assert started(path, 1.0).get("a").end_reason is EndReason.UNUSABLE


def test_a_number_beyond_todays_range_counts_as_the_nearest(path: Path) -> None:
    """A server that was started with a smaller batch obeys an older lease as far as it can."""
    started(path, 0.0, grant(now=0.0))
    smaller = replace(KNOB, base=4, maximum=4)
    assert started(path, 1.0, knobs=(smaller,)).in_force("batch_limit").value == 4


def test_a_command_under_way_is_done_by_the_start_itself(path: Path) -> None:
    """Its key runs nothing a second time."""
    request = CommandRequest(CommandKind.RESTART, "run:1", "memory grows", "restart-1")
    started(path, 5.0, Commanded(Command("c-1", request, 5.0)))
    book = started(path, 9.0)
    assert (book.command("c-1").state, book.command("c-1").ended_at) == (CommandState.DONE, 9.0)
    assert book.begin(request, "c-2", 10.0) == book.command("c-1")


def test_revisions_go_on_after_a_restart(path: Path) -> None:
    """A writer who looked before the restart cannot mistake what has changed since."""
    lease = grant(now=0.0)
    book = LeaseBook({KNOB.name: KNOB, DRAIN.name: DRAIN}).apply(lease)
    started(path, 0.0, lease, book.renew("a", 60.0, 1.0), book.renew("a", 70.0, 2.0))
    assert started(path, 3.0).revision("batch_limit") == "3"
    assert started(path, 4.0).revision("batch_limit") == "3"
