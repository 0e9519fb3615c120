"""What tells the fleet's load, over a real store, a real query API and the local workspace; time is the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from opsbot.capacity_settings import capacity_figures
from opsbot.clock import SystemClock
from opsbot.config import Settings, load_settings
from opsbot.people import Person
from opsbot.slack.app import SlackSettings
from opsbot.slack.role import SlackRole
from opsbot.source.prometheus import PrometheusSource
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.notices import NoticeRepository
from opsbot.store.outbox import OutboxRepository
from opsbot.store.views import ViewRepository
from opsbot.utilisation.reporter import Files
from opsbot.utilisation_wiring import SlackFiles, Told, reports_of, told_parts
from opsbot.vitals_wiring import vital_parts
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.state import Message
from tests.support.alerts import open_database
from tests.support.fleet_samples import BUSY, PLAIN, ClusterSamples, store_of
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands
from tests.support.watching import NoView, put, served

CHANNEL = "C0UTILISATION"
COUNTRIES = "frontdoor_requests_by_country_total"


@dataclass
class ToldLoad:
    """What outlives a process: the store, the source, the workspace and the time."""

    database: Database
    settings: Settings
    workspace: Workspace
    source: PrometheusSource
    clock: ManualClock

    @asynccontextmanager
    async def process(self, files: Callable[[Files], Files] = lambda files: files) -> AsyncIterator[Told]:
        """A process that delivers until the block ends; *files* may break what uploads."""
        commands = RecordedCommands()
        section, channel = self.settings.utilisation, self.settings.slack.channel
        parts = vital_parts(self.settings, self.source, None, self.clock)
        holder: list[SlackRole] = []
        told = told_parts(
            self.database, section, channel, ("eu-1", "us-1"), parts, self.source, commands,
            files(SlackFiles(lambda: holder[0])), self.clock, lambda: holder[0].wake(), capacity_figures(self.settings),
        )  # fmt: skip
        role = SlackRole(
            SlackSettings("xoxb-test", "xapp-test", f"{self.workspace.url}/api/", channel),
            commands,
            lambda user_id: Person(user_id, frozenset({"responder"} if "ONCALL" in user_id else ())),
            OutboxRepository(self.database),
            ViewRepository(self.database).view,
            lambda key: IncidentRepository(self.database).entry(key) or NoticeRepository(self.database).notice(key),
            self.clock,
            commands,
            reports=reports_of(self.database, section, channel),
            load_tests=told.desk,
        )
        holder.append(role)
        await role.start()
        try:
            yield told
        finally:
            await role.stop()

    def messages(self) -> list[Message]:
        """What stands in the channel of reports."""
        return self.workspace.state.channels[CHANNEL].messages

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the clock run a little at each look; fails after a while."""
        async with asyncio.timeout(30):
            while not is_so():
                self.clock.advance(0.2)
                await asyncio.sleep(0.02)

    async def said(self, count: int) -> list[Message]:
        """The messages, once there are *count* and no more come."""
        await self.until(lambda: len(self.messages()) >= count)
        await asyncio.sleep(0.3)
        assert len(self.messages()) == count
        return self.messages()


@asynccontextmanager
async def told_load(
    folder: Path, countries: Mapping[str, float] | None = None, clusters: Sequence[ClusterSamples] = (BUSY, PLAIN),
    **section: Any,
) -> AsyncIterator[ToldLoad]:  # fmt: skip
    """Two clusters with a quarter of an hour of samples, and the section `utilisation`."""
    now = time.time()
    store = store_of(clusters, now)
    for country, per_s in (countries or {}).items():
        points = [(now - 900 + passed, per_s * passed) for passed in range(0, 960, 10)]
        put(store, COUNTRIES, {"cluster": "eu-1", "country": country}, *points)
    settings = {
        "version": 1,
        "data_dir": str(folder),
        "serving": [{"cluster": "eu-1", "url": "http://127.0.0.1:1"}, {"cluster": "us-1", "url": "http://127.0.0.1:2"}],
        "utilisation": section,
    }
    path = folder / "opsbot.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    database = open_database(folder)
    async with (
        served(QueryApi(Past(store, None), SystemClock(), NoView()).app) as url,
        running(WorkspaceSettings("xoxb-test", "xapp-test", "page", port=0)) as workspace,
    ):
        source = PrometheusSource(url)
        yield ToldLoad(database, load_settings(path), workspace, source, ManualClock(now))
        source.close()
    database.close()


def text_of(message: Message) -> str:
    """What a screen reader and a notification have."""
    return str(message["text"])


def file_of(message: Message) -> str | None:
    """The file that it shows."""
    return next((block["slack_file"]["id"] for block in message["blocks"] if block["type"] == "image"), None)
