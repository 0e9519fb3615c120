"""The whole bot dies, or its server does: nothing is done twice, nothing is forgotten, and silence is not recovery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.bot import Bot
from tests.support.runs import set_batch
from tests.support.serving_server import CONTROL, ServingServer, serving

pytestmark = pytest.mark.fault

NO_RULES = "groups: []\n"
UP_RULE = """
groups:
  - name: test
    rules:
      - alert: KVCachePressure
        expr: vllm:num_requests_waiting >= 0
        clear_expr: vllm:num_requests_waiting < 0
        labels: {severity: critical}
        annotations: {summary: "KV cache pressure on {{ cluster }}"}
"""
LONG_VERIFY = "verify: {expr: 'vllm:num_requests_waiting >= 0', for: 4s, timeout: 30s, means: the server answers}"


class World:
    """A serving stub, a workspace, and the bot between them."""

    def __init__(self, folder: Path, server: ServingServer, workspace: Workspace, stack: AsyncExitStack) -> None:
        self.server = server
        self.workspace = workspace
        self._folder = folder
        self._stack = stack

    async def bot(self, runbook: str, rules: str = NO_RULES) -> Bot:
        """The bot, started."""
        bot = Bot(self._folder, self.server.url, self.workspace, runbook, rules)
        self._stack.push_async_callback(bot.close)
        await bot.start()
        return bot

    def leases(self) -> Sequence[Mapping[str, Any]]:
        """Every lease that the server ever gave."""
        answer = httpx.get(f"{self.server.url}/control/v1/leases", headers=CONTROL, trust_env=False)
        found: Sequence[Mapping[str, Any]] = answer.raise_for_status().json()["leases"]
        return found

    def cards(self, incident_id: str) -> Sequence[Mapping[str, Any]]:
        """The messages in the channel that show the incident."""
        messages = self.workspace.state.channel("incidents").messages
        return [m for m in messages if m.get("thread_ts", m["ts"]) == m["ts"] and incident_id in m["text"]]

    def replies(self) -> Sequence[str]:
        """The texts of every reply."""
        messages = self.workspace.state.channel("incidents").messages
        return [m["text"] for m in messages if m.get("thread_ts", m["ts"]) != m["ts"]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Everything but the bot."""
    with serving(tmp_path / "leases.jsonl", "--max-num-seqs", "4") as server:
        async with running(WorkspaceSettings("xoxb-l", "xapp-l", "p", port=0)) as workspace, AsyncExitStack() as stack:
            yield World(tmp_path, server, workspace, stack)


def step_state(view: Mapping[str, Any]) -> str:
    """The state of the run's only step; empty before there is one."""
    return str(view["runs"][0]["steps"][0]["state"]) if view["runs"] and view["runs"][0]["steps"] else ""


async def test_a_killed_bot_goes_on_where_it_was(world: World) -> None:
    """SIGKILL while a step is being verified: after a new start the run ends, with one lease and one message."""
    bot = await world.bot(set_batch(more=LONG_VERIFY))
    await bot.alert("KVCachePressure")
    view = await bot.until_view("KVCachePressure", lambda v: step_state(v) == "verifying", "the step is being verified")
    incident_id = view["incident"]["incident_id"]
    await bot.until("a message", lambda: _now(world.cards(incident_id)), bool)
    await bot.kill()
    (ts,) = [card["ts"] for card in world.cards(incident_id)]

    await bot.start()
    await bot.until_view("KVCachePressure", lambda v: step_state(v) == "succeeded", "the step is verified")
    await bot.alert("KVCachePressure", status="resolved")
    await bot.until_view("KVCachePressure", lambda v: v["runs"][0]["state"] == "succeeded", "the run has ended")

    (lease,) = world.leases()
    assert (lease["state"], lease["end_reason"]) == ("ended", "released")
    await bot.until("the last edit", lambda: _now(world.cards(incident_id)), lambda cards: "Resolved" in str(cards))
    assert [card["ts"] for card in world.cards(incident_id)] == [ts]
    await bot.until(
        "the last reply", lambda: _now(world.replies()), lambda texts: any(t.startswith("Runbook ended") for t in texts)
    )
    assert len(set(world.replies())) == len(world.replies())


async def test_a_server_that_dies_is_not_a_recovery(world: World) -> None:
    """When metrics go silent the incident is held, its message says so, and the silence is an incident of its own."""
    bot = await world.bot(set_batch(mode="observe"), UP_RULE)
    view = await bot.until_view("KVCachePressure", lambda v: True, "the rule fires")
    world.server.kill()
    await bot.until_view("KVCachePressure", lambda v: bool(v["incident"]["is_blind"]), "the incident is blind")
    await bot.until_view("MetricsSourceDown", lambda v: v["incident"]["state"] != "resolved", "the silence is reported")
    after = await bot.view("KVCachePressure")
    assert after is not None
    assert after["incident"]["state"] == "open"
    shown = await bot.until(
        "the message says so",
        lambda: _now(world.cards(view["incident"]["incident_id"])),
        lambda cards: "No metrics" in str(cards),
    )
    assert len(shown) == 1


async def _now(value: Any) -> Any:
    return value
