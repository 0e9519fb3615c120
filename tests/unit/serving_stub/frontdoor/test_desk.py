"""The lease desk: decide, journal, apply, set — and expiry by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count

import pytest

from serving_stub.errors import JournalError, LeaseEnded
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.fold import InForce
from serving_stub.frontdoor.lease import EndReason, Granted, LeaseEvent
from tests.support.serving_leases import EMPTY, ManualClock, MemoryJournal, lease_request


class Bench:
    """A desk with everything it touches in view."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.set: list[InForce] = []
        numbers = count(1)
        self.desk = LeaseDesk(
            EMPTY, self.journal, self.clock, {"batch_limit": self.set.append}, lambda now: f"l-{next(numbers)}"
        )


class FullJournal(MemoryJournal):
    """A journal on a full disk."""

    def append(self, events: Iterable[LeaseEvent], notes: Iterable[Note]) -> None:
        raise JournalError("no room")


async def test_a_grant_is_journalled_and_set() -> None:
    """A grant reaches the journal and the engine before it is answered."""
    bench = Bench()
    lease, is_new = await bench.desk.grant(lease_request(8, mode="preempt"))
    assert is_new
    assert bench.journal.events == [Granted(lease)]
    assert bench.set == [InForce(32, "finish"), InForce(8, "preempt")]


async def test_a_repeated_grant_is_not_journalled_again() -> None:
    """The same key and content answers the first lease and does nothing."""
    bench = Bench()
    request = lease_request(8)
    first, _ = await bench.desk.grant(request)
    assert await bench.desk.grant(request) == (first, False)
    assert len(bench.journal.events) == 1


async def test_equal_requests_at_once_make_one_lease() -> None:
    """Operations are taken one at a time, so a race for one key has one winner."""
    bench = Bench()
    request = lease_request(8)
    answers = await asyncio.gather(*(bench.desk.grant(request) for _ in range(5)))
    assert sorted(is_new for _, is_new in answers) == [False, False, False, False, True]
    assert len({lease.lease_id for lease, _ in answers}) == 1


async def test_what_cannot_be_journalled_does_not_happen() -> None:
    """A grant that the disk refuses changes neither leases nor engine."""
    set_values: list[InForce] = []
    desk = LeaseDesk(EMPTY, FullJournal(), ManualClock(), {"batch_limit": set_values.append}, str)
    with pytest.raises(JournalError):
        await desk.grant(lease_request(8))
    assert desk.book == EMPTY
    assert set_values == [InForce(32, "finish")]


async def test_a_lease_whose_time_is_up_is_ended_before_the_next_operation() -> None:
    """An expired lease is never renewed, even when the timer has not come round yet."""
    bench = Bench()
    lease, _ = await bench.desk.grant(lease_request(8, ttl_s=10.0))
    bench.clock.time += 10.0
    with pytest.raises(LeaseEnded):
        await bench.desk.renew(lease.lease_id, 60.0)
    assert bench.desk.book.get(lease.lease_id).end_reason is EndReason.EXPIRED
    assert bench.set[-1] == InForce(32, "finish")


async def test_expiry_counts_even_when_it_cannot_be_journalled() -> None:
    """A full disk does not keep the fleet degraded."""
    bench = Bench()
    lease, _ = await bench.desk.grant(lease_request(8, ttl_s=10.0))
    desk = LeaseDesk(bench.desk.book, FullJournal(), bench.clock, {"batch_limit": bench.set.append}, str)
    bench.clock.time += 10.0
    await desk.release(lease.lease_id)
    assert desk.book.get(lease.lease_id).end_reason is EndReason.EXPIRED
    assert bench.set[-1] == InForce(32, "finish")


async def test_the_timer_ends_leases_by_itself() -> None:
    """Nobody has to ask: the timer notices that time is up."""
    bench = Bench()
    is_back = asyncio.Event()

    def set_limit(in_force: InForce) -> None:
        if in_force.value == 32:
            is_back.set()

    desk = LeaseDesk(EMPTY, bench.journal, bench.clock, {"batch_limit": set_limit}, lambda now: "l-1")
    timer = asyncio.create_task(desk.run())
    await desk.grant(lease_request(8, ttl_s=1.0))
    is_back.clear()
    bench.clock.time += 1.0
    await asyncio.wait_for(is_back.wait(), 5)
    assert desk.book.get("l-1").end_reason is EndReason.EXPIRED
    timer.cancel()
    await asyncio.gather(timer, return_exceptions=True)


async def test_open_leases_are_counted_by_knob() -> None:
    """What the metric shows: live leases, and zero for a knob without."""
    bench = Bench()
    assert bench.desk.num_open() == {"batch_limit": 0}
    lease, _ = await bench.desk.grant(lease_request(8))
    await bench.desk.grant(lease_request(9))
    await bench.desk.release(lease.lease_id)
    assert bench.desk.num_open() == {"batch_limit": 1}
