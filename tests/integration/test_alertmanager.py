"""A real Alertmanager sends to a real core: what it holds opens incidents and ends them, whatever happens to core."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.receiver import Receiver
from tests.support.alertmanager import alertmanager
from tests.support.core_server import CoreServer
from tests.support.waiting import until

pytestmark = pytest.mark.integration

TOKEN = "alertmanager-token-of-tests"
LIMIT_S = 40.0


class Sender:
    """Alertmanager's API v2, as Prometheus uses it."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def alert(self, name: str, *, has_ended: bool = False) -> None:
        """Tell it that an alert fires, or has ended a second ago."""
        ended = datetime.now(UTC) + (timedelta(seconds=-1) if has_ended else timedelta(hours=1))
        body = {
            "labels": {"alertname": name, "cluster": "eu-1", "severity": "warning"},
            "annotations": {"summary": f"{name} on eu-1"},
            "startsAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
            "endsAt": ended.isoformat(),
        }
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.post(f"{self._url}/api/v2/alerts", json=[body])).raise_for_status()

    def num_failed(self) -> float:
        """Its posts that nobody took, by its own count."""
        metrics = httpx.get(f"{self._url}/metrics", trust_env=False).text
        found = re.search(
            r'^alertmanager_notification_requests_failed_total\{integration="webhook"\} (\S+)$', metrics, re.M
        )
        return float(found[1]) if found else 0.0


@pytest.fixture
async def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CoreServer]:
    """Core with a token of Alertmanager's own."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 50)
    receiver = Receiver("alertmanager", "alertmanager", Credential.of([TOKEN]))
    async with CoreServer(tmp_path, [receiver]) as server:
        yield server


@pytest.fixture
def sender(tmp_path: Path, core: CoreServer) -> Iterator[Sender]:
    """Alertmanager, set as docs/inbound.md says."""
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    token = folder / "token"
    token.write_text(TOKEN, encoding="utf-8")
    webhook = {
        "url": f"{core.url}/webhooks/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": {"credentials_file": str(token)}},
    }
    with alertmanager(folder, webhook) as url:
        yield Sender(url)


async def test_an_incident_opens_and_ends(core: CoreServer, sender: Sender) -> None:
    """What fires there is an incident here, on our scale; what has ended there is resolved here."""
    await sender.alert("QueueGrows")
    await until(lambda: core.incidents() == [("QueueGrows on eu-1", "open")], LIMIT_S)
    (view,) = (await core.http.get("/api/v1/incidents", headers={"Authorization": "Bearer machine"})).json()[
        "incidents"
    ]
    assert view["incident"]["severity"] == "medium"
    await sender.alert("QueueGrows", has_ended=True)
    await until(lambda: core.incidents() == [("QueueGrows on eu-1", "resolved")], LIMIT_S)
    await until(lambda: core.counted("opsbot_alerts_received_total", receiver="alertmanager") == 2)


async def test_it_ends_although_core_was_away(core: CoreServer, sender: Sender) -> None:
    """Core is stopped, the alert ends meanwhile, core comes back: Alertmanager has tried again, and it is resolved."""
    await sender.alert("QueueGrows")
    await until(lambda: core.incidents() == [("QueueGrows on eu-1", "open")], LIMIT_S)
    await core.stop()
    await sender.alert("QueueGrows", has_ended=True)
    await sender.alert("CacheFull")
    await until(lambda: sender.num_failed() >= 2, LIMIT_S)
    await core.start()
    expected = [("CacheFull on eu-1", "open"), ("QueueGrows on eu-1", "resolved")]
    await until(lambda: sorted(core.incidents()) == expected, LIMIT_S)


async def test_it_tries_again_what_could_not_be_stored(core: CoreServer, sender: Sender, tmp_path: Path) -> None:
    """While the database is locked core answers 503, and Alertmanager repeats until it is stored: one incident."""
    blocker = sqlite3.connect(tmp_path / "opsbot.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    await sender.alert("QueueGrows")
    refused = {"receiver": "alertmanager", "reason": "not_stored"}
    await until(lambda: (core.counted("opsbot_webhooks_refused_total", **refused) or 0) >= 2, LIMIT_S)
    assert core.incidents() == []
    blocker.execute("ROLLBACK")
    blocker.close()
    await until(lambda: core.incidents() == [("QueueGrows on eu-1", "open")], LIMIT_S)
