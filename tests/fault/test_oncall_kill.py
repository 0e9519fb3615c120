"""The whole bot as processes: deadlines survive its death, and the heartbeat is silent while a role is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.beat_receiver import SECRET, beat_receiver
from tests.support.bot import Bot
from tests.support.ports import free_port
from tests.support.runs import set_batch

pytestmark = pytest.mark.fault

ROTA = """\
version: 1
people: {anna: U0ANNA, ben: U0BEN}
schedules:
  - {id: serving, time_zone: Europe/Berlin, rotations: [{people: [anna], start: 2026-01-05}]}
policies:
  - id: urgent
    match: ['alertname="TargetSlow"']
    levels:
      - {notify: ["schedule:serving"], after: 6s}
      - {notify: ["person:ben"], after: 8s}
"""


class World:
    """A workspace, and bots that speak to it."""

    def __init__(self, folder: Path, workspace: Workspace, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._workspace = workspace
        self._stack = stack

    async def bot(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> Bot:
        """A bot, started; nothing answers where its serving fleet should be."""
        bot = Bot(
            self._folder,
            f"http://127.0.0.1:{free_port()}",
            self._workspace,
            set_batch(),
            "groups: []\n",
            more_settings=settings,
            more_environment=environment,
        )
        self._stack.push_async_callback(bot.close)
        await bot.start()
        return bot

    def wakes(self) -> Sequence[str]:
        """Whom the channel was told to wake, in order."""
        replies = self._workspace.state.channel("incidents").messages
        return [m["text"].split(":")[0] for m in replies if ": please take INC-" in m["text"]]

    def texts(self) -> str:
        """Everything that stands in the channel."""
        return str(self._workspace.state.channel("incidents").messages)


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    """Everything but the bot."""
    async with running(WorkspaceSettings("xoxb-l", "xapp-l", "p", port=0)) as workspace, AsyncExitStack() as stack:
        yield World(folder, workspace, stack)


async def until(bot: Bot, what: str, read: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    """Wait until what is read is so."""

    async def now() -> Any:
        return read()

    return await bot.until(what, now, is_so)


async def test_a_deadline_survives_the_bots_death(tmp_path: Path) -> None:
    """SIGKILL before it; after a new start the next level is woken late, once, and an answer ends it."""
    (tmp_path / "oncall.yaml").write_text(ROTA, encoding="utf-8")
    async with world_in(tmp_path) as world:
        bot = await world.bot({"oncall": str(tmp_path / "oncall.yaml")}, {})
        await bot.alert("TargetSlow")
        await until(bot, "the first level is woken", world.wakes, lambda found: found == ["<@U0ANNA>"])
        # A rota that turns bad before the crash is no reason to wake nobody after it.
        (tmp_path / "oncall.yaml").write_text("version: 2\n", encoding="utf-8")
        await bot.until("core says so", lambda: bot.page("/healthz"), lambda text: "in force, 2 problems" in text)
        await bot.kill()
        # Its deadline passes while nobody is there to see it.
        await asyncio.sleep(6)
        await bot.start()
        await until(bot, "the second level is woken", world.wakes, lambda found: len(found) > 1)
        assert world.wakes() == ["<@U0ANNA>", "<@U0BEN>"]
        await bot.kill()
        await bot.start()
        view = await bot.until_view("TargetSlow", lambda found: True, "the incident is there")
        await bot.acknowledge(view["incident"]["incident_id"])
        await until(bot, "the message says who", world.texts, lambda text: "cli:tester has it*, taken after" in text)
        # Longer than the last deadline: nothing more is said.
        await asyncio.sleep(9)
        assert world.wakes() == ["<@U0ANNA>", "<@U0BEN>"]
        assert "Nobody answered" not in world.texts()
        assert 'opsbot_escalations{state="paused"} 1.0' in await bot.page("/metrics")


async def test_the_heartbeat_is_silent_while_watch_hangs(tmp_path: Path) -> None:
    """Real roles and a real receiver: watch stops, the beats stop; watch goes on, they return."""
    async with world_in(tmp_path) as world, beat_receiver() as receiver:
        bot = await world.bot(
            {"heartbeat": {"url_env": "HEARTBEAT_URL", "every": "1s"}}, {"HEARTBEAT_URL": receiver.url}
        )
        await until(bot, "the first beats", lambda: len(receiver.heard), lambda count: count >= 2)
        bot.signal_role("watch", signal.SIGSTOP)
        await bot.until("core says why", lambda: bot.page("/healthz"), lambda text: "silent: watch: it does" in text)
        num_heard = len(receiver.heard)
        await asyncio.sleep(4)
        assert len(receiver.heard) == num_heard
        assert 'opsbot_heartbeat_part_ok{part="watch"} 0.0' in await bot.page("/metrics")
        bot.signal_role("watch", signal.SIGCONT)
        await until(bot, "the beats return", lambda: len(receiver.heard), lambda count: count > num_heard + 1)
        log = (tmp_path / "data/logs/core.log").read_text(encoding="utf-8")
        assert log.count("the heartbeat is silent: watch: it does not answer") == 1
        assert "the heartbeat beats again" in log
        assert SECRET not in log + await bot.page("/healthz") + await bot.page("/metrics")
