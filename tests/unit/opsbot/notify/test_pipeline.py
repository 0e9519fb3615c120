"""One outbox item to its readers exactly once, whatever fails on the way."""

from __future__ import annotations

from opsbot.notify.budget import Budget
from opsbot.notify.notifier import DeliveryError
from opsbot.notify.outbox import OutboxItem, OutboxState
from opsbot.notify.pipeline import Outcome, Pipeline
from tests.support.outbox import ManualClock, MemoryOutbox
from tests.unit.opsbot.notify.memory_chat import MemoryChat


class Bench:
    """A pipeline over an outbox with the incident INC-1 in it; the outbox and the chat outlive a restart."""

    def __init__(self) -> None:
        self.store, self.chat, self.clock = MemoryOutbox(), MemoryChat(), ManualClock()
        self.page = self.store.wish("incident_message", "INC-1", "INC-1")
        self.restart()

    def restart(self) -> None:
        """A new process on the same store."""
        self.pipeline = Pipeline(self.store, self.chat, self.clock, Budget())

    def item(self, key: str) -> OutboxItem:
        """The item as stored now."""
        item = self.store.item(key)
        assert item is not None
        return item

    async def deliver(self, key: str) -> Outcome:
        """One attempt at what is due."""
        return (await self.pipeline.deliver(self.item(key))).outcome


async def test_a_page_is_posted_and_recorded() -> None:
    """A first post stands where the store says it stands."""
    bench = Bench()
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    item = bench.item(bench.page)
    assert (item.state, item.channel, item.ts, item.delivered_revision) == (OutboxState.DELIVERED, "C1", "1.0", 1)


async def test_a_change_edits_the_same_message() -> None:
    """A second wish is an edit, not a second message."""
    bench = Bench()
    await bench.deliver(bench.page)
    bench.store.wish("incident_message", "INC-1", "INC-1")
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.calls == ["post incident:INC-1", "update incident:INC-1"]


async def test_a_lost_answer_is_looked_up_before_posting_again() -> None:
    """The post was applied and its answer lost: one message stands in the end."""
    bench = Bench()
    bench.chat.after["post"].append(DeliveryError("no answer", outcome_unknown=True))
    assert await bench.deliver(bench.page) is Outcome.RETRY
    assert bench.item(bench.page).state is OutboxState.SENDING
    bench.clock.advance(2.0)
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.keys() == ["incident:INC-1"]
    assert bench.item(bench.page).ts == "1.0"


async def test_a_new_wish_does_not_hasten_an_unknown_outcome() -> None:
    """The incident changed meanwhile: the first post still gets its time to arrive."""
    bench = Bench()
    bench.chat.after["post"].append(DeliveryError("no answer", outcome_unknown=True))
    await bench.deliver(bench.page)
    bench.store.wish("incident_message", "INC-1", "INC-1")
    bench.clock.advance(1.9)
    assert await bench.deliver(bench.page) is Outcome.DEFERRED
    assert bench.chat.calls == ["post incident:INC-1"]


async def test_a_post_that_did_not_happen_is_posted_after_looking() -> None:
    """The outcome was unknown and nothing is found: it is posted then."""
    bench = Bench()
    bench.chat.before["post"].append(DeliveryError("no answer", outcome_unknown=True))
    await bench.deliver(bench.page)
    bench.clock.advance(2.0)
    await bench.deliver(bench.page)
    assert bench.chat.calls == ["post incident:INC-1", "find incident:INC-1", "post incident:INC-1"]
    assert bench.chat.keys() == ["incident:INC-1"]


async def test_a_crash_after_posting_leaves_one_message() -> None:
    """A process that died between the post and its record is followed by one that finds the post."""
    bench = Bench()
    bench.store.mark_sending(bench.page)
    await bench.chat.post(bench.item(bench.page), None)
    bench.restart()
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.keys() == ["incident:INC-1"]


async def test_nothing_is_posted_while_it_cannot_be_looked_up() -> None:
    """An unknown outcome stays unknown when the lookup itself fails."""
    bench = Bench()
    bench.chat.after["post"].append(DeliveryError("no answer", outcome_unknown=True))
    bench.chat.before["find"].append(DeliveryError("slow down", retry_after_s=7.0))
    await bench.deliver(bench.page)
    bench.clock.advance(2.0)
    assert await bench.deliver(bench.page) is Outcome.RETRY
    item = bench.item(bench.page)
    assert (item.state, item.next_at - bench.clock.now()) == (OutboxState.SENDING, 7.0)
    bench.clock.advance(7.0)
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.keys() == ["incident:INC-1"]


async def test_a_rate_limit_pauses_the_lane() -> None:
    """After 429 nothing is posted before the time Slack named, and the item is surely not posted."""
    bench = Bench()
    bench.chat.before["post"].append(DeliveryError("slow down", retry_after_s=30.0))
    assert await bench.deliver(bench.page) is Outcome.RETRY
    assert bench.item(bench.page).state is OutboxState.PENDING
    bench.clock.advance(29.0)
    assert await bench.deliver(bench.page) is Outcome.DEFERRED
    bench.clock.advance(1.0)
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.keys() == ["incident:INC-1"]


async def test_a_deleted_message_is_posted_afresh() -> None:
    """Somebody deleted the incident's message: its next change posts it again."""
    bench = Bench()
    await bench.deliver(bench.page)
    bench.chat.delete(bench.page)
    bench.store.wish("incident_message", "INC-1", "INC-1")
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.item(bench.page).ts == "2.0"


async def test_an_entry_waits_for_its_incident() -> None:
    """There is no thread before the incident's message stands, and waiting costs no attempt."""
    bench = Bench()
    entry = bench.store.wish("timeline_entry", "e1", "INC-1")
    assert await bench.deliver(entry) is Outcome.DEFERRED
    assert bench.item(entry).attempts == 0
    await bench.deliver(bench.page)
    assert await bench.deliver(entry) is Outcome.DELIVERED
    assert bench.chat.messages["2.0"] == ("timeline:e1", "1.0")


async def test_a_reply_to_a_deleted_message_renews_the_thread() -> None:
    """The incident's message is posted again, and the reply goes below the new one."""
    bench = Bench()
    await bench.deliver(bench.page)
    bench.chat.delete(bench.page)
    entry = bench.store.wish("timeline_entry", "e1", "INC-1")
    assert await bench.deliver(entry) is Outcome.DELIVERED
    assert bench.chat.messages == {"2.0": ("incident:INC-1", None), "3.0": ("timeline:e1", "2.0")}
    assert bench.item(bench.page).ts == "2.0"


async def test_an_entry_of_a_failed_incident_is_given_up() -> None:
    """Without a message there will be no thread; a person must look."""
    bench = Bench()
    bench.store.mark_failed(bench.page, "invalid_blocks")
    entry = bench.store.wish("timeline_entry", "e1", "INC-1")
    outcomes = [await bench.deliver(entry) for _ in range(5)]
    assert outcomes == [Outcome.RETRY] * 4 + [Outcome.FAILED]


async def test_a_refused_message_is_given_up_with_its_reason() -> None:
    """The fifth refusal is final and its text is kept."""
    bench = Bench()
    bench.chat.before["post"] += [DeliveryError("invalid_blocks", retryable=False) for _ in range(5)]
    outcomes = [await bench.deliver(bench.page) for _ in range(5)]
    assert outcomes == [Outcome.RETRY] * 4 + [Outcome.FAILED]
    item = bench.item(bench.page)
    assert (item.state, item.last_error) == (OutboxState.FAILED, "invalid_blocks")


async def test_a_failed_edit_is_no_unknown_post() -> None:
    """An edit may be repeated, so its lost answer needs no lookup."""
    bench = Bench()
    await bench.deliver(bench.page)
    bench.store.wish("incident_message", "INC-1", "INC-1")
    bench.chat.after["update"].append(DeliveryError("no answer"))
    assert await bench.deliver(bench.page) is Outcome.RETRY
    bench.clock.advance(1.0)
    assert await bench.deliver(bench.page) is Outcome.DELIVERED
    assert bench.chat.calls == ["post incident:INC-1", "update incident:INC-1", "update incident:INC-1"]
