"""The roles' own health over real stores: readiness, the outbox's gauges, and logs of real processes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import SystemClock
from opsbot.delivery_metrics import CountedOutbox
from opsbot.events.role import EventsRole
from opsbot.readiness import WriteProbe
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.probe import write_nothing
from opsbot.telemetry import CoreMetrics
from opsbot.web.tokens import Tokens
from tests.support.ports import free_port
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

TOKEN = "api-token-never-to-be-seen"
APP_TOKEN = "xapp-local-never-to-be-seen"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database that does not wait long for others."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 50)
    opened = Database(f"sqlite:///{tmp_path}/opsbot.sqlite")
    yield opened
    opened.close()


async def test_a_locked_database_is_no_longer_writable(database: Database, tmp_path: Path) -> None:
    """The probe really writes: it fails while another holds the lock, and works again afterwards."""
    wal = tmp_path / "opsbot.sqlite-wal"
    before = wal.stat().st_size
    assert await WriteProbe(lambda: write_nothing(database.engine), "core's database").problem() is None
    assert wal.stat().st_size > before
    blocker = sqlite3.connect(tmp_path / "opsbot.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    locked = await WriteProbe(lambda: write_nothing(database.engine), "core's database").problem()
    blocker.execute("ROLLBACK")
    blocker.close()
    assert locked is not None
    assert "cannot be written" in locked
    assert await WriteProbe(lambda: write_nothing(database.engine), "core's database").problem() is None


def test_the_outbox_tells_of_itself(database: Database) -> None:
    """Depth and age while something waits, attempts by outcome, the time of the last delivery."""
    now = SystemClock().now()
    metrics = CoreMetrics()
    outbox = CountedOutbox(database, metrics.delivery, SystemClock())
    alert = Alert({"alertname": "A", "severity": "high"}, {}, AlertState.FIRING, now - 30)
    IncidentRepository(database).ingest([alert], now - 20, lambda alert: [])
    due = outbox.due(now)
    assert due
    depth, age, failed = _gauges(metrics, database, now)
    assert (depth, round(age), failed) == (len(due), 20, 0)
    outbox.mark_failed(due[0].key, "no such channel")
    for item in due[1:]:
        outbox.mark_retry(item.key, now, "busy", outcome_unknown=False)
        outbox.mark_delivered(item.key, item.revision, "C1", "1.0")
    assert _gauges(metrics, database, now) == (0, 0.0, 1)
    counted = metrics.exposition()
    assert 'opsbot_deliveries_total{outcome="failed"} 1.0' in counted
    assert f'opsbot_deliveries_total{{outcome="delivered"}} {float(len(due) - 1)}' in counted
    assert metrics.registry.get_sample_value("opsbot_last_delivery_timestamp_seconds") == pytest.approx(now, abs=10)


def _gauges(metrics: CoreMetrics, database: Database, now: float) -> tuple[float, float, float]:
    metrics.delivery.refresh(database, now, is_slack_connected=False)

    def read(name: str) -> float:
        found = metrics.registry.get_sample_value(name)
        assert found is not None
        return found

    return read("opsbot_outbox_depth"), read("opsbot_outbox_oldest_age_seconds"), read("opsbot_outbox_failed")


async def test_events_is_ready_while_its_store_is(tmp_path: Path) -> None:
    """200 with a store, 503 with the reason without one."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of(TOKEN, {}), SystemClock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(role.app), base_url="http://events") as http:
        ready = await http.get("/readyz")
        assert "opsbot_ready 1.0" in (await http.get("/metrics")).text
        assert (await http.get("/healthz")).json() == {"status": "ok"}
    role.close()
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])
    broken = EventsRole(tmp_path / "other.sqlite", Tokens.of(TOKEN, {}), SystemClock())
    broken.close()
    (tmp_path / "other.sqlite").write_bytes(b"this is no database" * 100)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(broken.app), base_url="http://events") as http:
        answer = await http.get("/readyz")
    broken.close()
    assert answer.status_code == 503
    assert answer.json()["reasons"][0].startswith("the event store cannot be written: ")


def test_core_alone_logs_json_and_says_how_it_stands(tmp_path: Path) -> None:
    """A real core with Slack out of reach: ready with a warning, every line JSON, no token in any of them."""
    port = free_port()
    settings = {
        "version": 1,
        "data_dir": str(tmp_path / "data"),
        "runbooks": [str(tmp_path)],
        "serving": [{"cluster": "a", "url": "http://127.0.0.1:9"}],
        "core": {"port": port},
        "logging": {"format": "json", "level": "debug"},
    }
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings/opsbot.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    environment = {
        "OPSBOT_API_TOKEN": TOKEN,
        "SERVING_CONTROL_TOKEN": "control-never-to-be-seen",
        "SLACK_BOT_TOKEN": "xoxb-local-never-to-be-seen",
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_API_URL": f"http://127.0.0.1:{free_port()}/api/",
    }
    command = (sys.executable, "-m", "opsbot", "core", "--config", str(tmp_path / "settings/opsbot.yaml"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
    try:
        until_sync(lambda: _status(port) == 200, 30)
        body = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).json()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert body["reasons"] == []
    assert body["warnings"][0].startswith("not connected to Slack: ")
    assert "opsbot_ready 1.0" in text
    assert "opsbot_slack_connected 0.0" in text
    assert "opsbot_build_info{python=" in text
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert {entry["role"] for entry in entries} == {"core"}
    assert any(entry["message"].startswith("core is ready on") for entry in entries)
    assert "never-to-be-seen" not in "\n".join(lines)


LIBRARIES = """
import logging, threading, warnings
from dbos import DBOS
from opsbot.logs.setup import configure_logging

configure_logging("core", form="json", secrets=["hidden-value"])
DBOS(config={"name": "opsbot", "system_database_url": "sqlite:///%s", "enable_otlp": False})
for name in ("dbos", "uvicorn.error", "slack_sdk.web", "opsbot.slack.bolt", "asyncio"):
    logging.getLogger(name).warning("from %%s with hidden-value", name)
logging.getLogger("uvicorn.access").info("a request")
warnings.warn("from warnings with hidden-value")
thread = threading.Thread(target=lambda: {}["in a thread"], name="worker")
thread.start()
thread.join()
raise RuntimeError("nobody caught hidden-value")
"""


def test_every_librarys_lines_come_out_alike(tmp_path: Path) -> None:
    """DBOS, uvicorn, Slack's, asyncio, warnings, and what nobody caught: JSON to the last line, once each."""
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES % (tmp_path / "x.sqlite")], capture_output=True, text=True, check=False
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    ours = [entry["logger"] for entry in entries if "with [redacted]" in entry["message"]]
    assert ours == ["dbos", "uvicorn.error", "slack_sdk.web", "opsbot.slack.bolt", "asyncio", "py.warnings"]
    assert "uvicorn.access" not in {entry["logger"] for entry in entries}
    assert [entry["exception"].splitlines()[-1] for entry in entries if "exception" in entry] == [
        "KeyError: 'in a thread'",
        "RuntimeError: nobody caught [redacted]",
    ]
    assert done.returncode == 1
    assert "hidden-value" not in done.stderr


def test_a_role_loads_only_what_it_runs_on() -> None:
    """Watch has neither the workspace's server nor DBOS in its memory."""
    code = "import sys, opsbot.app, opsbot.watch.watcher; print([m for m in ('aiohttp', 'dbos') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _status(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code
    except httpx.HTTPError:
        return 0
