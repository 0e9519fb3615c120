"""The lease desk: decide, journal, apply, set — and expiry by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count

import pytest

from serving_stub.errors import (
    CommandRunning,
    IdempotencyKeyReused,
    JournalError,
    LeaseEnded,
    NotHealthy,
    RevisionMismatch,
)
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.command import Commanded, CommandKind, CommandRequest, CommandState
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.fold import InForce
from serving_stub.frontdoor.gate import DRAIN
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


def ramping(bench: Bench, *, may_ramp: bool = True, why: str | None = None) -> LeaseDesk:
    """The bench's desk anew, with its gates set."""
    return LeaseDesk(
        bench.desk.book,
        bench.journal,
        bench.clock,
        {"batch_limit": bench.set.append},
        lambda now: f"l-{len(bench.journal.events)}",
        may_ramp=lambda: may_ramp,
        why_unhealthy=lambda: why,
    )


async def test_a_ramp_sets_each_step() -> None:
    """The engine sees the batch grow step by step, and each step is journalled."""
    bench = Bench()
    lease, _ = await bench.desk.grant(replace(lease_request(12, ttl_s=5.0), on_end="ramp"))
    for _ in range(6):
        bench.clock.time += 10.0
        await bench.desk.release(lease.lease_id)
    assert [one.value for one in bench.set] == [32, 12, 16, 20, 24, 28, 32]
    assert [event.event for event in bench.journal.events] == ["granted", *["ramped"] * 4, "ended"]


async def test_the_timer_waits_for_a_gate_without_spinning() -> None:
    """A ramp that may not step is looked at now and then; it steps soon after the gate opens."""
    bench = Bench()
    looks: list[bool] = []

    def may_ramp() -> bool:
        looks.append(len(looks) > 3)
        return looks[-1]

    desk = LeaseDesk(EMPTY, bench.journal, bench.clock, {}, lambda now: "l-1", may_ramp=may_ramp)
    timer = asyncio.create_task(desk.run())
    await desk.grant(replace(lease_request(12, ttl_s=5.0), on_end="ramp"))
    bench.clock.time += 5.0
    async with asyncio.timeout(5):
        while desk.book.get("l-1").strength == 1.0:  # noqa: ASYNC110  (the timer tells nobody)
            await asyncio.sleep(0.01)
    timer.cancel()
    await asyncio.gather(timer, return_exceptions=True)
    assert len(looks) < 8


async def test_layers_reach_their_setter_parsed() -> None:
    """What the setter gets is what `layers` shows."""
    seen: list[int] = []
    book = LeaseBook({DRAIN.name: DRAIN})
    setters = {DRAIN.name: lambda layers: seen.append(len(layers))}
    desk = LeaseDesk(book, MemoryJournal(), ManualClock(), {}, lambda now: "l-1", layer_setters=setters)
    assert desk.layers("drain") == ()
    await desk.grant(replace(lease_request(), knob="drain", value=None))
    assert [layer.lease_id for layer in desk.layers("drain")] == ["l-1"]
    await desk.release("l-1", at_once=True)
    assert seen == [0, 1, 0]


async def test_every_change_is_noted() -> None:
    """Who, what, and from what to what; what time brings about is the server's doing."""
    bench = Bench()
    lease, _ = await bench.desk.grant(lease_request(8, ttl_s=10.0), by="bot")
    bench.clock.time += 10.0
    await bench.desk.release(lease.lease_id, by="bot")
    told = [(note.by, note.action, note.owner, note.before, note.after) for note in bench.desk.audit.notes()]
    assert told == [("bot", "granted", "run:1", 32, 8), ("server", "expired", "run:1", 8, 32)]
    assert bench.journal.notes == list(bench.desk.audit.notes())


async def test_a_refused_write_changes_nothing() -> None:
    """No event, no setting."""
    bench = Bench()
    await bench.desk.grant(lease_request(8))
    with pytest.raises(RevisionMismatch):
        await bench.desk.grant(lease_request(4, owner="run:2"))
    assert len(bench.journal.events) == 1
    assert bench.set[-1] == InForce(8, "finish")


async def test_of_two_writers_who_looked_one_wins() -> None:
    """Both saw the same revision; the second is told that it is old."""
    bench = Bench()
    revision = {bench.desk.book.revision("batch_limit")}
    answers = await asyncio.gather(
        *(bench.desk.grant(lease_request(8, owner=owner), if_match=revision) for owner in ("run:1", "run:2")),
        return_exceptions=True,
    )
    assert [isinstance(one, RevisionMismatch) for one in answers] == [False, True]


RESTART = CommandRequest(CommandKind.RESTART, "run:1", "memory grows", "restart-1")
READMIT = CommandRequest(CommandKind.READMIT, "run:1", "it is well", "readmit-1")


async def test_a_command_is_journalled_before_it_runs_and_runs_once() -> None:
    """The same key finds the command, and does not say that it is new."""
    bench = Bench()
    command, is_new = await bench.desk.begin(RESTART)
    assert (is_new, bench.journal.events) == (True, [Commanded(command)])
    assert await bench.desk.begin(RESTART) == (command, False)
    await bench.desk.complete(command.command_id, CommandState.DONE, "done")
    again, is_new = await bench.desk.begin(RESTART)
    assert (again.state, is_new) == (CommandState.DONE, False)


async def test_one_restart_at_a_time() -> None:
    """A second one would end what the first has let in."""
    bench = Bench()
    await bench.desk.begin(RESTART)
    with pytest.raises(CommandRunning, match="is not done yet"):
        await bench.desk.begin(replace(RESTART, idempotency_key="restart-2"))


async def test_a_key_belongs_to_one_thing() -> None:
    """A lease's key is no command's, and the other way round."""
    bench = Bench()
    await bench.desk.grant(lease_request(8, key="restart-1"))
    with pytest.raises(IdempotencyKeyReused, match="belongs to lease l-1"):
        await bench.desk.begin(RESTART)
    await bench.desk.begin(replace(RESTART, idempotency_key="restart-2"))
    with pytest.raises(IdempotencyKeyReused, match="belongs to command c-"):
        await bench.desk.grant(lease_request(8, key="restart-2"))


async def test_readmit_ends_what_holds_the_server() -> None:
    """All leases of the knobs, at once, and the command last in the journal."""
    bench = Bench()
    await bench.desk.grant(lease_request(8))
    command = await bench.desk.readmit(READMIT, ["batch_limit"])
    assert (command.state, command.detail) == (CommandState.DONE, "ended l-1")
    assert bench.desk.book.get("l-1").end_reason is EndReason.READMITTED
    assert [event.event for event in bench.journal.events] == ["granted", "ended", "commanded", "completed"]
    await bench.desk.grant(lease_request(9))
    assert await bench.desk.readmit(READMIT, ["batch_limit"]) == command
    assert bench.desk.num_open() == {"batch_limit": 1}


async def test_a_sick_server_is_not_readmitted() -> None:
    """The refusal says why, and the same key may try again."""
    bench = Bench()
    with pytest.raises(NotHealthy, match="not taken back: the engine has died"):
        await ramping(bench, why="the engine has died").readmit(READMIT, [])
    assert (await ramping(bench).readmit(READMIT, [])).detail == "nothing held it"


async def test_a_large_journal_is_written_anew() -> None:
    """With all that the desk knows, notes included."""

    class LargeJournal(MemoryJournal):
        is_large = True
        kept: tuple[LeaseBook, int] | None = None

        def compact(self, book: LeaseBook, notes: Sequence[Note]) -> None:
            self.kept = (book, len(notes))
            self.is_large = False

    journal = LargeJournal()
    desk = LeaseDesk(EMPTY, journal, ManualClock(), {}, lambda now: "l-1")
    timer = asyncio.create_task(desk.run())
    await desk.grant(lease_request(8))
    async with asyncio.timeout(5):
        while journal.is_large:  # noqa: ASYNC110  (the timer tells nobody)
            await asyncio.sleep(0.01)
    timer.cancel()
    await asyncio.gather(timer, return_exceptions=True)
    assert journal.kept == (desk.book, 1)
