"""The runbook for the case that nothing can be seen: a server whose metrics go silent, Slack, and a PagerDuty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from opsbot.workspace.app import Workspace
from tests.support.certificate import make_certificate
from tests.support.door import ask, leased
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.proving import Ground, grounded, state_of
from tests.support.serving_server import ServingServer, serving
from tests.support.watching import served

pytestmark = [pytest.mark.runbooks, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

SERVICE = FakePagerDuty()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A small server."""
    with serving(tmp_path_factory.mktemp("server") / "leases.jsonl") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    server: ServingServer, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """The bot, which pages for nothing by itself but what is critical."""
    folder: Path = tmp_path_factory.mktemp("bot")
    authority = make_certificate(folder)
    async with served(SERVICE.app, certificate=authority) as url:
        section = {"routing_key_env": "PAGERDUTY_ROUTING_KEY", "url": url, "ca_file": str(authority.ca_file)}
        settings = {"paging": {"pagerduty": {**section, "severities": ["critical"]}}}
        async with grounded(
            folder,
            {"local": server.url},
            workspace,
            packs=("blindness",),
            shorter={},
            more_settings=settings,
            more_environment={"PAGERDUTY_ROUTING_KEY": SERVICE.routing_key},
        ) as found:
            yield found


async def told() -> list[str]:
    """What PagerDuty was sent."""
    return list(SERVICE.told)


async def test_blind(ground: Ground, server: ServingServer, workspace: Workspace) -> None:
    """Metrics go silent: somebody is called and told what can be looked at, and nothing is changed."""
    since = ground.now()
    with leased(server, "fault.metrics_blackout", 1, ttl_s=900):
        run = await ground.until_ended("blind", "succeeded", since=since)
        assert (state_of(run, "say"), state_of(run, "call")) == ("succeeded", "succeeded")
        calls = await ground.bot.until("a page", told, bool)
        view = await ground.incident_of("blind", since=since)
        assert view is not None
        assert calls == [f"trigger {view['incident']['incident_id']}"]
        channel = workspace.state.channel("incidents").messages
        await ground.bot.until("the words", lambda: texts(workspace), lambda found: "may be old" in found)
        assert len([message for message in channel if message.get("thread_ts", message["ts"]) == message["ts"]]) == 1
        assert ground.leases() == []
        assert ask(server).status_code == 200
        print("seen:", calls)
    await ground.until_quiet()
    await ground.bot.until("the end of the page", told, lambda found: found[-1].startswith("resolve"))


async def texts(workspace: Workspace) -> str:
    """All that stands in the channel."""
    return "\n".join(message["text"] for message in workspace.state.channel("incidents").messages)
