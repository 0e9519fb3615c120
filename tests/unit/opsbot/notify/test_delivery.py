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
from opsbot.notify.notifier import DeliveryError, Place
from opsbot.notify.outbox import OutboxItem, OutboxState
from opsbot.notify.pipeline import Pipeline
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
