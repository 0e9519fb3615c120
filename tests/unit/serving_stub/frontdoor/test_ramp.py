"""Ramps and holds: what the end of a lease means, step by step, and when the next step may come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving_stub.errors import LeaseEnded
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.ending import CLOSED, Gates
from serving_stub.frontdoor.gate import DRAIN
from serving_stub.frontdoor.knob import OnEnd
from serving_stub.frontdoor.lease import Ended, EndReason, Granted, Held, LeaseState, Ramped, Renewed
from serving_stub.frontdoor.ramp import RampPlan, has_room
from tests.support.serving_leases import KNOB, lease_request
from tests.support.tiny_engine import tiny_engine

OPEN = Gates(may_ramp=True, is_healthy=True)
PLAN = RampPlan()
EXPIRED = EndReason.EXPIRED


def one_lease(on_end: OnEnd, knob: str = "batch_limit") -> LeaseBook:
    """A lease `a` of 12 that was granted at 0 for a minute."""
    request = replace(lease_request(12), knob=knob, on_end=on_end, value=12 if knob == "batch_limit" else None)
    event = LeaseBook({KNOB.name: KNOB, DRAIN.name: DRAIN}).grant(request, "a", 0.0)
    assert isinstance(event, Granted)
    return LeaseBook({KNOB.name: KNOB, DRAIN.name: DRAIN}).apply(event)


def test_five_steps_to_the_end() -> None:
    """Each is a fifth, without drift."""
    strengths = [1.0]
    while strengths[-1]:
        strengths.append(PLAN.next(strengths[-1]))
    assert strengths == [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]


def test_a_lease_that_releases_is_gone_at_its_expiry() -> None:
    """Whatever the gates say."""
    assert one_lease("release").due(60.0, CLOSED, PLAN) == (Ended("a", 60.0, EXPIRED),)


def test_a_ramp_goes_step_by_step_with_pauses() -> None:
    """Ten seconds between two steps; each gives way a fifth of the way to the base value."""
    book, seen = one_lease("ramp"), []
    for now in range(60, 101, 5):
        for event in book.due(float(now), OPEN, PLAN):
            book = book.apply(event)
            seen.append((now, book.in_force("batch_limit").value))
    assert seen == [(60, 16), (70, 20), (80, 24), (90, 28), (100, 32)]
    assert book.get("a").ended_at == 100.0
    assert book.get("a").end_reason is EXPIRED


def test_no_step_while_the_load_does_not_allow_it() -> None:
    """The lease begins to ramp at full strength and stays so; the first step comes as soon as it may."""
    book = one_lease("ramp")
    assert book.due(60.0, CLOSED, PLAN) == (Ramped("a", 60.0, 1.0, EXPIRED),)
    book = book.apply(Ramped("a", 60.0, 1.0, EXPIRED))
    assert (book.get("a").state, book.in_force("batch_limit").value) == (LeaseState.RAMPING, 12)
    assert book.due(1000.0, CLOSED, PLAN) == ()
    assert book.due(60.1, OPEN, PLAN) == (Ramped("a", 60.1, 0.8, EXPIRED),)


def test_a_ramp_that_must_stop_goes_on_from_where_it_was() -> None:
    """A queue that grows in the middle of a ramp takes nothing back and lets nothing further."""
    book = one_lease("ramp").apply(Ramped("a", 60.0, 0.6, EXPIRED))
    assert book.due(500.0, CLOSED, PLAN) == ()
    assert book.due(500.0, OPEN, PLAN) == (Ramped("a", 500.0, 0.4, EXPIRED),)


def test_a_hold_stays_until_the_server_is_healthy() -> None:
    """The end of a drain on a sick server comes when it is well."""
    book = one_lease("hold_unhealthy", "drain")
    assert book.due(60.0, CLOSED, PLAN) == (Held("a", 60.0, EXPIRED),)
    book = book.apply(Held("a", 60.0, EXPIRED))
    assert (book.get("a").state, len(book.layers("drain"))) == (LeaseState.HOLDING, 1)
    assert book.due(5000.0, CLOSED, PLAN) == ()
    assert book.due(5000.0, OPEN, PLAN) == (Ended("a", 5000.0, EXPIRED),)


def test_a_hold_on_a_healthy_server_ends_at_once() -> None:
    """There is nothing to wait for."""
    assert one_lease("hold_unhealthy", "drain").due(60.0, OPEN, PLAN) == (Ended("a", 60.0, EXPIRED),)


def test_a_release_takes_the_ramp() -> None:
    """A person who releases a protection wants it to go, and not the queue to come back."""
    assert one_lease("ramp").release("a", 5.0, gates=OPEN) == Ramped("a", 5.0, 0.8, EndReason.RELEASED)
    assert one_lease("ramp").release("a", 5.0, gates=CLOSED) == Ramped("a", 5.0, 1.0, EndReason.RELEASED)


def test_a_release_at_once_ends_whatever_it_means() -> None:
    """Also in the middle of a ramp."""
    book = one_lease("ramp")
    assert book.release("a", 5.0, at_once=True) == Ended("a", 5.0, EndReason.RELEASED)
    book = book.apply(Ramped("a", 5.0, 0.8, EndReason.RELEASED))
    assert book.release("a", 6.0) is None
    assert book.release("a", 6.0, at_once=True) == Ended("a", 6.0, EndReason.RELEASED)


def test_a_renewal_brings_an_expired_lease_back_to_full_strength() -> None:
    """The run that owns it was away for a while, and its incident is still open."""
    book = one_lease("ramp").apply(Ramped("a", 60.0, 0.4, EXPIRED))
    book = book.apply(book.renew("a", 60.0, 65.0))
    lease = book.get("a")
    assert (lease.state, lease.strength, lease.expires_at) == (LeaseState.LIVE, 1.0, 125.0)
    assert book.in_force("batch_limit").value == 12


def test_a_renewal_does_not_bring_a_released_lease_back() -> None:
    """Somebody wanted it to end."""
    book = one_lease("ramp").apply(Ramped("a", 5.0, 0.8, EndReason.RELEASED))
    with pytest.raises(LeaseEnded, match="was released"):
        book.renew("a", 60.0, 6.0)


def test_a_younger_lease_is_untouched_by_an_older_ramp() -> None:
    """However far the older one has gone, the younger one's value is in force."""
    book = one_lease("ramp")
    young = book.grant(lease_request(14), "b", 10.0)
    assert isinstance(young, Granted)
    book = book.apply(young)
    for strength in (0.8, 0.4, 0.2):
        book = book.apply(Ramped("a", 60.0, strength, EXPIRED))
        assert book.in_force("batch_limit").value == 14
    assert book.apply(Ended("a", 70.0, EXPIRED)).in_force("batch_limit").value == 14


def test_renewed_events_of_an_ended_lease_change_nothing() -> None:
    """An end is an end."""
    book = one_lease("ramp").apply(Ended("a", 5.0, EndReason.RELEASED))
    assert book.apply(Renewed("a", 100.0, 40.0)) == book
    assert book.apply(Ramped("a", 6.0, 0.5, EXPIRED)) == book


def test_there_is_room_while_queue_and_cache_are_small() -> None:
    """A dead engine, a queue or a full cache let nobody further."""
    stats = replace(tiny_engine().stats(), batch_limit=8)
    assert has_room(replace(stats, num_waiting=2, kv_cache_usage=0.8))
    assert not has_room(replace(stats, num_waiting=3))
    assert not has_room(replace(stats, kv_cache_usage=0.81))
    assert not has_room(replace(stats, is_alive=False))
