"""Slots: held for as long as the block, refused in time, left by those who hang up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from serving_stub.frontdoor.admission import Admission, ClientGone
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.tenant import ServiceClass

CLASS = ServiceClass("free", priority=1, queue_bound=2, deadline_s=10.0)


@dataclass
class HandClock:
    """Shows what it is set to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Requests:
    """Requests that are served until they are told to end."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.served: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    def start(self, name: str, gone: asyncio.Future[object] | None = None) -> asyncio.Task[Refusal | None]:
        """Ask for a slot as *name*."""
        self.ends[name] = asyncio.Event()

        async def request() -> Refusal | None:
            async with self.admission.slot(CLASS, name, gone) as refusal:
                if refusal is None:
                    self.served.append(name)
                    await self.ends[name].wait()
                return refusal

        return asyncio.create_task(request())


async def test_a_slot_is_held_until_the_block_ends() -> None:
    """Then whoever waits gets it."""
    requests = Requests(Admission(1, HandClock()))
    first, second = requests.start("a"), requests.start("b")
    await settle()
    assert requests.served == ["a"]
    requests.ends["a"].set()
    requests.ends["b"].set()
    assert [await first, await second] == [None, None]
    assert requests.served == ["a", "b"]
    assert requests.admission.queue.num_in_flight == 0


async def test_a_full_queue_refuses_at_once() -> None:
    """429 with a wait of at least a second, and in words."""
    requests = Requests(Admission(1, HandClock()))
    tasks = [requests.start(name) for name in "abcd"]
    await settle()
    refusal = await tasks[3]
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.reason) == (429, "queue_full", Reason.QUEUE_FULL)
    assert refusal.message == (
        "The server is at capacity and 2 requests of class 'free' wait already. Try again later."
    )
    assert 1 <= int(dict(refusal.wire_headers())["retry-after"]) <= 60
    for task in tasks:
        task.cancel()


async def test_who_waits_past_the_deadline_is_refused() -> None:
    """Without a slot ever having been its own."""
    clock = HandClock()
    requests = Requests(Admission(1, clock))
    first, late = requests.start("a"), requests.start("b")
    await settle()
    clock.now = 10.0
    requests.admission.expire()
    refusal = await late
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (429, Reason.DEADLINE)
    requests.ends["a"].set()
    assert await first is None
    assert requests.served == ["a"]


async def test_the_deadline_needs_nobody_to_come_by() -> None:
    """A timer of its own refuses, by the loop's clock."""
    admission = Admission(0, asyncio.get_running_loop().time)
    async with admission.slot(ServiceClass(deadline_s=0.02), "a") as refusal:
        assert refusal is not None
        assert refusal.reason is Reason.DEADLINE


async def test_who_hangs_up_while_waiting_leaves() -> None:
    """Its place in the queue is free at once, and nobody is answered."""
    requests = Requests(Admission(1, HandClock()))
    gone: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    first, second = requests.start("a"), requests.start("b", gone)
    await settle()
    gone.set_result(None)
    with pytest.raises(ClientGone):
        await second
    assert requests.admission.queue.num_waiting == 0
    requests.ends["a"].set()
    await first


@pytest.mark.parametrize("is_admitted", [False, True])
async def test_a_cancelled_request_gives_back_what_it_has(is_admitted: bool) -> None:
    """A place in the queue, or a slot that it was given in the same moment."""
    requests = Requests(Admission(1, HandClock()))
    _, second, third = requests.start("a"), requests.start("b"), requests.start("c")
    await settle()
    if is_admitted:
        requests.admission.set_limit(2)
        assert requests.admission.queue.num_in_flight == 2, "b has its slot and has not run yet"
    second.cancel()
    await settle()
    assert second.cancelled()
    requests.ends["a"].set()
    await settle()
    assert requests.served == ["a", "c"]
    requests.ends["c"].set()
    await third
    assert requests.admission.queue.num_in_flight == 0


async def test_a_block_that_fails_gives_its_slot_back() -> None:
    """Whatever it raises."""
    admission = Admission(1, HandClock())
    with pytest.raises(ZeroDivisionError):
        async with admission.slot(CLASS, "a"):
            raise ZeroDivisionError
    assert admission.queue.num_in_flight == 0


async def test_a_smaller_limit_cuts_no_stream() -> None:
    """Those in flight end when they end; a larger limit lets the waiting in at once."""
    requests = Requests(Admission(2, HandClock()))
    tasks = [requests.start(name) for name in "abcd"]
    await settle()
    requests.admission.set_limit(0)
    await settle()
    assert not any(task.done() for task in tasks)
    requests.admission.set_limit(4)
    await settle()
    assert requests.served == ["a", "b", "c", "d"]
    for event in requests.ends.values():
        event.set()
    assert await asyncio.gather(*tasks) == [None, None, None, None]


async def test_those_refused_come_back_at_different_times() -> None:
    """A client waits exactly as long as it is told, so a crowd told the same would return as a crowd."""
    admission = Admission(0, HandClock())
    full = ServiceClass(queue_bound=0, deadline_s=30.0)

    async def wait_of(identity: str) -> float | None:
        async with admission.slot(full, identity) as refusal:
            assert refusal is not None
            return refusal.retry_after_s

    waits = [await wait_of(f"caller-{number}") for number in range(100)]
    assert len({round(wait or 0) for wait in waits}) > 10
    assert await wait_of("caller-7") == waits[7]
