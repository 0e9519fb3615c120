"""Slack is away for an hour: the store takes everything, and afterwards all of it arrives, once and in order."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.store.database import Database, StoreError
from opsbot.store.outbox import OutboxRepository
from opsbot.workspace.faults import Fault
from tests.support.slack_night import Night, key_of, running_night

pytestmark = pytest.mark.integration


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """A night with Slack there."""
    async with running_night(tmp_path) as running:
        yield running


async def test_an_hour_without_slack(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    """Everything arrives afterwards: once, the worst incident first, many entries as one, and it says it is late."""
    caplog.set_level(logging.INFO, "opsbot.notify")
    night.alert("Slow", "low")
    async with night.role() as role:
        await night.until(night.is_all_said)
        before = len(night.said())
        await night.relay.cut()
        night.alert("KV", "high")
        night.alert("Queue", "critical")
        night.alert("Blip", "high")
        for number in range(14):
            night.entry("INC-1", f"Step {number} was done.")
        night.entry("INC-1", "Nobody answers <!channel>.", "escalation.unanswered", is_broadcast=True)
        night.entry("INC-3", "Announced: the failwhale goes up in 5 min.", "step.announced", is_broadcast=True)
        await night.pass_time(600, step_s=5)
        night.alert("Blip", "high", is_over=True)
        lag = role.lag()
        assert lag.outage is not None
        assert (lag.outage.why, lag.is_late) == ("Slack could not be reached", True)
        assert lag.sentence().endswith("the oldest for 10m: Slack could not be reached")
        await night.pass_time(3000, step_s=5)
        assert len(night.said()) == before
        await night.relay.open()
        await night.until(night.is_all_said)
        assert role.lag().sentence() == "nothing waits"
    keys = night.said()[before:]
    assert keys == sorted(set(keys), key=keys.index)
    assert keys[:2] == ["incident:INC-3", "incident:INC-2"]
    threads = [key for key in keys if "INC-3" in key]
    assert [night.text(key).startswith("Announced") for key in threads] == [False, False, True]
    assert "said 60 min late: Slack could not be reached" in night.text("incident:INC-3")

    said_together = next(
        night.text(key) for key in keys if "15 entries while Slack could not be reached" in night.text(key)
    )
    assert "Nobody answers &lt;!channel&gt;." in said_together
    assert "… and 14 more: 14 × step acted" in said_together
    assert said_together.endswith("All of it: `opsbot incident INC-1`")
    assert not any(night.text(key).startswith("Step") for key in keys)

    blip = next(message for message in night.messages() if key_of(message) == "incident:INC-4")
    assert "It opened and ended before it could be said" in blip["text"]
    assert not any(message.get("thread_ts") == blip["ts"] and message is not blip for message in night.messages())
    said = [line for line in caplog.messages if "What must be said waits" in line or "taken again" in line]
    assert len(said) == 2
    assert said[0].startswith("Slack cannot be reached to ")
    assert re.match(r"messages are taken again after 3[56]\d\d s: Slack could not be reached", said[1])


class DyingOutbox(OutboxRepository):
    """Of a process that dies after a post and before it is recorded."""

    def __init__(self, database: Database, after: int) -> None:
        super().__init__(database)
        self._left = after

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        if self._left == 0:
            raise StoreError("the process is dead")
        self._left -= 1
        super().mark_delivered(key, revision, channel, ts)


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_crash_in_the_middle_says_nothing_twice(night: Night, after: int) -> None:
    """Posted and not recorded, be it the page, or one message for many entries: the next process finds it."""
    await night.relay.cut()
    night.alert("KV", "critical")
    for number in range(12):
        night.entry("INC-1", f"Step {number} was done.")
    night.clock.advance(900)
    await night.relay.open()
    async with night.role(DyingOutbox(night.database, after)):
        for _ in range(60):
            await asyncio.sleep(0.02)
    async with night.role():
        night.clock.advance(5)
        await night.until(night.is_all_said)
        night.entry("INC-1", "Something new.")
        await night.until(night.is_all_said)
    keys = night.said()
    assert len(keys) == len(set(keys)) == 3
    assert "13 entries" in night.messages()[1]["text"]
    assert night.messages()[2]["text"] == "Something new."


async def test_an_answer_that_was_lost_after_the_outage_is_looked_up(night: Night) -> None:
    """The first post after it takes effect, and the answer is cut off: one message stands."""
    night.workspace.faults.add("chat.postMessage", Fault(drop_answer=True), 2)
    night.alert("KV", "critical")
    async with night.role():
        await night.until(night.is_all_said)
    assert len(night.said()) == len(set(night.said()))
