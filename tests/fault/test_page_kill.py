"""The bot dies while PagerDuty is away: the page is sent by the next start, once, under the same key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.bot import Bot
from tests.support.certificate import make_certificate
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.ports import free_port
from tests.support.runs import set_batch
from tests.support.watching import served

pytestmark = pytest.mark.fault

NO_RULES = "groups: []\n"
KEY = "opsbot:core-1:INC-1"


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
async def bot(tmp_path: Path, service: FakePagerDuty, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    """The bot, set up to page and not started; there is no server to watch."""
    authority = make_certificate(tmp_path)
    monkeypatch.setenv("PAGERDUTY_ROUTING_KEY", service.routing_key)
    async with (
        running(WorkspaceSettings("xoxb-l", "xapp-l", "p", port=0)) as workspace,
        served(service.app, certificate=authority) as url,
    ):
        made = Bot(tmp_path, f"http://127.0.0.1:{free_port()}", workspace, set_batch(mode="observe"), NO_RULES)
        path = tmp_path / "opsbot.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        pagerduty = {"routing_key_env": "PAGERDUTY_ROUTING_KEY", "url": url, "ca_file": str(authority.ca_file)}
        settings["paging"] = {"pagerduty": pagerduty}
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        yield made
        await made.close()


async def test_a_page_outlives_the_bot(bot: Bot, service: FakePagerDuty) -> None:
    """SIGKILL between an attempt and the next: nothing is forgotten, and the end is told too."""
    service.answers = [503] * 1000
    await bot.start()
    await bot.alert("KVCachePressure")

    async def num_calls() -> int:
        return service.num_calls

    async def standing() -> dict[str, str]:
        return dict(service.standing)

    await bot.until("an attempt", num_calls, bool)
    await bot.kill()
    assert service.standing == {}

    service.answers = []
    await bot.start()
    await bot.until("the page", standing, lambda found: found == {KEY: "triggered"})
    await bot.kill()
    await bot.start()
    await bot.alert("KVCachePressure", status="resolved")
    await bot.until("the end", standing, lambda found: found == {})
    assert service.told == ["trigger INC-1", "resolve INC-1"]
