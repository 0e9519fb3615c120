"""The worker that empties the outbox."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from opsbot import log_context
from opsbot.notify.budget import Budget
from opsbot.notify.delivery import DeliveryWorker
from opsbot.notify.notifier import DeliveryError, Extent, Place
from opsbot.notify.outbox import OutboxItem, OutboxState
from opsbot.notify.pipeline import Pipeline
from opsbot.notify.reach import Reach
from tests.support.outbox import ManualClock, MemoryOutbox
from tests.unit.opsbot.notify.memory_chat import MemoryChat


@asynccontextmanager
async def running(store: MemoryOutbox, chat: MemoryChat, clock: ManualClock) -> AsyncIterator[DeliveryWorker]:
    """A worker that runs until the block ends."""
    worker = DeliveryWorker(store, Pipeline(store, chat, clock, Budget()), clock)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(worker: DeliveryWorker, is_so: Callable[[], bool]) -> None:
    """Wake the worker until *is_so*; fails after five seconds."""
    async with asyncio.timeout(5):
        while not is_so():
            worker.wake()
            await asyncio.sleep(0.005)


async def test_an_incident_and_its_thread_are_delivered_in_order() -> None:
    """The message first, then its entries as they were written."""
    store, chat, clock = MemoryOutbox(), MemoryChat(), ManualClock()
    for number in range(5):
        store.wish("timeline_entry", f"e{number}", "INC-1")
    store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 6)
    assert chat.keys() == ["incident:INC-1", *(f"timeline:e{number}" for number in range(5))]


async def test_a_later_entry_does_not_overtake_one_that_must_wait() -> None:
    """While the first entry waits for its next attempt, the second waits too."""
    store, chat, clock = MemoryOutbox(), MemoryChat(), ManualClock()
    store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
        chat.before["post"].append(DeliveryError("Slack is away"))
        store.wish("timeline_entry", "e1", "INC-1")
        await until(worker, lambda: not chat.before["post"])
        store.wish("timeline_entry", "e2", "INC-1")
        for _ in range(20):
            worker.wake()
            await asyncio.sleep(0.005)
        assert len(chat.messages) == 1
        clock.advance(1.0)
        await until(worker, lambda: len(chat.messages) == 3)
    assert chat.keys() == ["incident:INC-1", "timeline:e1", "timeline:e2"]


async def test_many_changes_become_few_edits() -> None:
    """Twenty changes within a second show as two edits, with the latest state."""
    store, chat, clock = MemoryOutbox(), MemoryChat(), ManualClock()
    key = store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
        for _ in range(20):
            store.wish("incident_message", "INC-1", "INC-1")
            worker.wake()
            await asyncio.sleep(0.005)
        assert len(chat.edits) == 2
        clock.advance(1.0)
        await until(worker, lambda: len(chat.edits) == 3)
        item = store.item(key)
        await until(worker, lambda: (now := store.item(key)) is not None and now.delivered_revision == now.revision)
    assert item is not None
    assert item.revision == 21


class StuckChat(MemoryChat):
    """Never answers for the incidents named, and breaks in an unforeseen way for others."""

    def __init__(self, stuck: str, broken: str) -> None:
        super().__init__()
        self._stuck, self._broken = stuck, broken

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        if item.incident_id == self._stuck:
            await asyncio.Event().wait()
        if item.incident_id == self._broken:
            raise RuntimeError("nobody foresaw this")
        return await super().post(item, thread)


async def test_one_incident_does_not_hold_up_another(caplog: pytest.LogCaptureFixture) -> None:
    """A call without an answer and an unforeseen exception concern their own incidents only."""
    store, chat, clock = MemoryOutbox(), StuckChat("INC-1", "INC-2"), ManualClock()
    for number in (1, 2, 3):
        store.wish("incident_message", f"INC-{number}", f"INC-{number}")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
        store.wish("incident_message", "INC-4", "INC-4")
        await until(worker, lambda: len(chat.messages) == 2)
    assert chat.keys() == ["incident:INC-3", "incident:INC-4"]
    assert "messages of INC-2 are not delivered" in caplog.text


class About(logging.Handler):
    """Keeps which incident each line is about, by its message."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.seen[record.getMessage()] = log_context.current().get("incident_id", "")


async def test_lines_about_an_incident_carry_its_id() -> None:
    """While two are delivered side by side, each line names its own."""
    store, chat, clock, about = MemoryOutbox(), StuckChat("INC-1", "INC-2"), ManualClock(), About()
    for number in (1, 2):
        store.wish("incident_message", f"INC-{number}", f"INC-{number}")
    logging.getLogger("opsbot.notify").addHandler(about)
    try:
        async with running(store, chat, clock) as worker:
            await until(worker, lambda: bool(about.seen))
    finally:
        logging.getLogger("opsbot.notify").removeHandler(about)
    assert about.seen == {"messages of INC-2 are not delivered; trying again": "INC-2"}


class SlowOutbox(MemoryOutbox):
    """Answers `due` late: what it read is old by the time it is handed out."""

    def __init__(self) -> None:
        super().__init__()
        self.has_read, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        due = super().due(now, limit)
        self.has_read.set()
        assert self.may_answer.wait(5)
        return due


class GatedChat(MemoryChat):
    """Posts when told."""

    def __init__(self) -> None:
        super().__init__()
        self.may_post = asyncio.Event()

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        await self.may_post.wait()
        return await super().post(item, thread)


async def test_a_post_that_ends_while_the_outbox_is_read_is_not_repeated() -> None:
    """The reading still shows it as due, because it began before the post was recorded."""
    store, chat, clock = SlowOutbox(), GatedChat(), ManualClock()
    key = store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: (now := store.item(key)) is not None and now.state is OutboxState.SENDING)
        store.may_answer.clear()
        store.has_read.clear()
        await until(worker, store.has_read.is_set)
        chat.may_post.set()
        await until(worker, lambda: (now := store.item(key)) is not None and now.state is OutboxState.DELIVERED)
        store.may_answer.set()
        store.has_read.clear()
        await until(worker, store.has_read.is_set)
    assert chat.calls == ["post incident:INC-1"]


async def test_a_pause_that_ends_while_the_outbox_is_read_keeps_the_order() -> None:
    """The reading began before the first entry was due again, so it shows the second one only; that one waits."""
    store, chat, clock = SlowOutbox(), MemoryChat(), ManualClock()
    store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
        chat.before["post"].append(DeliveryError("Slack is away"))
        entry = store.wish("timeline_entry", "e1", "INC-1")
        await until(worker, lambda: (now := store.item(entry)) is not None and now.attempts == 1)
        store.wish("timeline_entry", "e2", "INC-1")
        store.may_answer.clear()
        store.has_read.clear()
        await until(worker, store.has_read.is_set)
        clock.advance(1.0)
        store.may_answer.set()
        await until(worker, lambda: len(chat.messages) == 3)
    assert chat.keys() == ["incident:INC-1", "timeline:e1", "timeline:e2"]


class BrokenOutbox(MemoryOutbox):
    """Cannot be read the first two times."""

    failures = 2

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        if self.failures:
            self.failures -= 1
            raise OSError("disk I/O error")
        return super().due(now, limit)


async def test_an_unreadable_outbox_is_read_again() -> None:
    """The worker survives a store that fails for a while."""
    store, chat, clock = BrokenOutbox(), MemoryChat(), ManualClock()
    store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
    assert chat.keys() == ["incident:INC-1"]


class TwoChannels(MemoryChat):
    """INC-2 is said elsewhere, and entries whose key begins with `few` too; that channel may be archived."""

    is_archived = False

    def where(self, item: OutboxItem) -> str:
        return "#few" if item.incident_id == "INC-2" or item.ref.startswith("few") else "#all"

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        if self.is_archived and self.where(item) == "#few":
            self.calls.append(f"post {item.key}")
            raise DeliveryError("it is archived", extent=Extent.CHANNEL, why="the channel is archived", place="#few")
        return await super().post(item, thread)


async def test_an_archived_channel_holds_up_no_other() -> None:
    """What belongs there is tried one at a time; everything else is said."""
    store, chat, clock = MemoryOutbox(), TwoChannels(), ManualClock()
    chat.is_archived = True
    store.wish("incident_message", "INC-2", "INC-2", severity="critical")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: chat.calls == ["post incident:INC-2"])
        for number in (1, 3, 4):
            store.wish("incident_message", f"INC-{number}", f"INC-{number}", severity="low")
        await until(worker, lambda: len(chat.messages) == 3)
        assert chat.calls.count("post incident:INC-2") == 1
        chat.is_archived = False
        clock.advance(60)
        await until(worker, lambda: len(chat.messages) == 4)


async def test_a_failure_counts_where_it_happened() -> None:
    """It was thought to belong into one channel, and was tried in another: that one is out of reach."""

    class Mistaken(TwoChannels):
        def where(self, item: OutboxItem) -> str:
            return "#all"

        async def post(self, item: OutboxItem, thread: Place | None) -> Place:
            if item.incident_id == "INC-2":
                raise DeliveryError("it is archived", extent=Extent.CHANNEL, why="archived", place="#few")
            return await MemoryChat.post(self, item, thread)

    store, chat, clock, reach = MemoryOutbox(), Mistaken(), ManualClock(), Reach()
    pipeline = Pipeline(store, chat, clock, Budget(), reach=reach)
    await pipeline.deliver(_stored(store, store.wish("incident_message", "INC-2", "INC-2")))
    assert reach.outage is not None
    assert (reach.outage.scope, reach.wait_s("#all", clock.monotonic())) == ("#few", 0.0)
    await pipeline.deliver(_stored(store, store.wish("incident_message", "INC-1", "INC-1")))
    assert chat.keys() == ["incident:INC-1"]


async def test_only_what_the_same_people_read_is_said_in_one_message() -> None:
    """Many late entries of one incident, some of which are for few: none of these is said with the others."""
    store, chat, clock = MemoryOutbox(), TwoChannels(), ManualClock()
    store.wish("incident_message", "INC-1", "INC-1")
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: len(chat.messages) == 1)
    since = clock.now()
    clock.advance(3600)
    for number in range(8):
        store.wish("timeline_entry", f"all{number}", "INC-1", since=since)
        store.wish("timeline_entry", f"few{number}", "INC-1", since=since)
    async with running(store, chat, clock) as worker:
        await until(worker, lambda: not store.due(float("inf"), 100))
    leaders = [_stored(store, key) for key in chat.keys()[1:]]
    assert sorted((one.ref, *one.carried) for one in leaders) == [
        tuple(f"{who}{number}" for number in range(8)) for who in ("all", "few")
    ]


def _stored(store: MemoryOutbox, key: str) -> OutboxItem:
    item = store.item(key)
    assert item is not None
    return item
