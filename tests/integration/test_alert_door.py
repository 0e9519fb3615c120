"""Core's web surface over a real store: what is accepted is durable, what is refused says why, rights are checked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.people import Role, person_for
from opsbot.store.database import Database
from opsbot.store.repositories import Repositories
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.tokens import Tokens
from tests.support.alerts import RUNBOOK, open_database

pytestmark = pytest.mark.integration

MACHINE = {"Authorization": "Bearer machine"}
RESPONDER = {"Authorization": "Bearer personal"}
STRANGER = {"Authorization": "Bearer stranger"}
FIRING: Mapping[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "KVCachePressure", "cluster": "eu-1", "severity": "critical"},
    "annotations": {"summary": "KV cache pressure on eu-1"},
    "startsAt": "2026-01-01T00:00:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
}


class Runs:
    """Notes what it was asked; runs themselves have their own tests."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wake(self) -> None:
        self.told.append("wake")


class Door:
    """Core's API without its listener."""

    def __init__(self, database: Database) -> None:
        repositories = Repositories.over(database, AlertPolicy())
        self.incidents, self.runs = repositories.incidents, repositories.runs
        self.asked = Runs()
        desk = Desk(
            repositories,
            self.asked,
            AlertPolicy(),
            lambda alert: [RUNBOOK],
            lambda: None,
            SystemClock(),
        )
        tokens = Tokens.of("machine", {"personal": "cli:ann", "stranger": "cli:bob"})
        roles: Mapping[str, frozenset[Role]] = {"cli:ann": frozenset({"responder"})}
        api = CoreApi(
            desk, tokens, lambda user: person_for(user, roles), CoreMetrics(), lambda: None, lambda: {"slack": "fine"}
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://core")

    async def post(self, *alerts: Mapping[str, Any], headers: Mapping[str, str] = MACHINE) -> httpx.Response:
        """Post as Alertmanager does."""
        body = {"version": "4", "alerts": list(alerts)}
        return await self.http.post("/webhooks/alertmanager", json=body, headers=headers)


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """A core of its own for each test."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 50)
    database = open_database(tmp_path)
    opened = Door(database)
    yield opened
    await opened.http.aclose()
    database.close()


async def test_an_alert_is_accepted_and_shown(door: Door) -> None:
    """Success means that the incident is there."""
    answer = await door.post(FIRING)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    (view,) = (await door.http.get("/api/v1/incidents", headers=MACHINE)).json()["incidents"]
    assert view["incident"]["title"] == "KV cache pressure on eu-1"
    assert view["runs"][0]["runbook_id"] == "smaller-batch"
    (alert,) = (await door.http.get("/api/v1/alerts", headers=MACHINE)).json()["alerts"]
    assert alert["labels"]["cluster"] == "eu-1"


async def test_one_bad_alert_never_drops_the_others(door: Door) -> None:
    """The rejected ones are named with what is wrong about them."""
    nameless = {**FIRING, "labels": {"cluster": "eu-1"}}
    zoneless = {**FIRING, "startsAt": "2026-01-01T00:00:00"}
    answer = (await door.post(nameless, FIRING, zoneless)).json()
    assert answer["accepted"] == 1
    assert [line.split(":")[0] for line in answer["rejected"]] == ["alerts[0].labels", "alerts[2].startsAt"]
    assert "alertname" in answer["rejected"][0]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"rubbish", "not JSON"),
        (b"[]", "a list 'alerts'"),
        (b'{"alerts": {}}', "a list 'alerts'"),
        (b'{"version": "3", "alerts": []}', "version '3'"),
        (b"\xff\xfe", "not JSON"),
    ],
)
async def test_what_is_no_webhook_is_refused(door: Door, body: bytes, says: str) -> None:
    """A body that is not Alertmanager's gets 400 and one sentence."""
    answer = await door.http.post("/webhooks/alertmanager", content=body, headers=MACHINE)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


async def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    """Larger than any webhook: 413."""
    answer = await door.http.post("/webhooks/alertmanager", content=b" " * ((4 << 20) + 1), headers=MACHINE)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic machine"}, RESPONDER]
)
async def test_the_door_opens_to_the_machine_token_only(door: Door, headers: Mapping[str, str]) -> None:
    """No token, a wrong one, another scheme, a person's: 401, and nothing is stored."""
    assert (await door.post(FIRING, headers=headers)).status_code == 401
    assert door.incidents.incidents(include_resolved=True) == ()


async def test_an_alert_that_cannot_be_stored_is_not_accepted(door: Door, tmp_path: Path) -> None:
    """While the database is locked the answer is 503, so that the sender repeats; then it is accepted, once."""
    blocker = sqlite3.connect(tmp_path / "opsbot.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused = await door.post(FIRING)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert refused.status_code == 503
    assert "send them again" in refused.json()["error"]["message"]
    assert (await door.post(FIRING)).status_code == 200
    assert len(door.incidents.incidents(include_resolved=True)) == 1


async def test_a_storm_of_senders_opens_one_incident(door: Door) -> None:
    """A hundred concurrent posts of one alert: one incident, one run."""
    answers = await asyncio.gather(*(door.post(FIRING) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(door.incidents.incidents(include_resolved=True)) == 1
    assert len(door.runs.queued()) == 1


async def test_people_act_with_their_own_token_and_rights(door: Door) -> None:
    """A machine is nobody, a stranger lacks the role, a responder may; the timeline says who."""
    await door.post(FIRING)
    path = "/api/v1/incidents/INC-1/acknowledge"
    assert (await door.http.post(path, headers=MACHINE)).status_code == 401
    refused = await door.http.post(path, headers=STRANGER)
    assert refused.status_code == 403
    assert "responder is needed; cli:bob has none" in refused.json()["error"]["message"]
    assert (await door.http.post(path, headers=RESPONDER)).json()["message"] == "INC-1 is yours."
    view = (await door.http.get("/api/v1/incidents/INC-1", headers=RESPONDER)).json()
    assert view["incident"]["acknowledged_by"] == "cli:ann"
    assert view["timeline"][-1]["actor"] == "cli:ann"
    assert (await door.http.post("/api/v1/incidents/INC-9/acknowledge", headers=RESPONDER)).status_code == 404


async def test_what_was_decided_can_be_asked(door: Door) -> None:
    """Why somebody was paged; an empty question is refused, and so is a stranger's."""
    body = {"alerts": [FIRING]}
    assert (await door.http.post("/webhooks/alertmanager", headers=MACHINE, json=body)).status_code == 200
    answer = await door.http.get("/api/v1/explain", headers=MACHINE, params={"about": "KVCachePressure"})
    assert [decision["kind"] for decision in answer.json()["decisions"]] == ["incident.opened"]
    assert answer.json()["incidents"][0]["incident_id"] == "INC-1"
    assert (await door.http.get("/api/v1/explain", headers=MACHINE)).status_code == 400
    missing = await door.http.get("/api/v1/explain", headers=MACHINE, params={"about": "INC-7"})
    assert (missing.status_code, "INC-7" in missing.json()["error"]["message"]) == (404, True)
    assert (await door.http.get("/api/v1/explain", params={"about": "INC-1"})).status_code == 401


async def test_reading_needs_a_token_too(door: Door) -> None:
    """Incidents are not for everybody on the machine; health is."""
    assert (await door.http.get("/api/v1/incidents")).status_code == 401
    assert (await door.http.get("/healthz")).json() == {"status": "ok", "slack": "fine"}
    assert "opsbot_alerts_received_total" in (await door.http.get("/metrics")).text


async def test_answers_of_the_door_are_timed(door: Door) -> None:
    """Each post counts, also one that is refused."""
    await door.post(FIRING)
    await door.post(FIRING, headers=STRANGER)
    text = (await door.http.get("/metrics")).text
    assert "opsbot_alert_door_duration_seconds_count 2.0" in text
