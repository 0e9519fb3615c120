"""Webhooks over real HTTP and a real store: each sender's form and credential, and what comes twice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.receiver import Receiver
from tests.support.core_server import CoreServer

pytestmark = pytest.mark.integration

OLD, NEW = "the-token-of-last-month", "the-token-of-this-month"
RECEIVERS = [
    Receiver("grafana", "grafana", Credential.of([NEW, OLD], basic_user="grafana")),
    Receiver("datadog", "datadog", Credential.of([NEW, OLD])),
    Receiver("cron", "generic", Credential.of([NEW])),
    Receiver("signed", "generic", Credential.of(secrets=[NEW, OLD])),
    Receiver("both", "grafana", Credential.of([NEW], secrets=[OLD])),
]
BEARER = {"authorization": f"Bearer {NEW}"}
EVENT: Mapping[str, Any] = {"id": "backup-17", "status": "firing", "name": "BackupFailed", "labels": {"host": "db-1"}}
GRAFANA_ALERT: Mapping[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "QueueGrows", "cluster": "eu-1", "severity": "error"},
    "annotations": {"summary": "The queue grows"},
    "startsAt": "2026-01-01T09:51:03.157076+02:00",
    "endsAt": "0001-01-01T00:00:00Z",
    "values": {"B": 44.2, "C": 1},
}
DATADOG: Mapping[str, Any] = {
    "id": "5555",
    "alert_id": "1234",
    "aggreg_key": "9bd4ac313a4d1e8fae2482df7b77628",
    "alert_transition": "Triggered",
    "alert_type": "error",
    "alert_priority": "P1",
    "alert_title": "[Triggered on {host:gpu-1}] GPU memory is full",
    "alert_scope": "host:gpu-1",
    "tags": "env:prod,host:gpu-1,monitor",
    "date": "1767225600000",
}


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[CoreServer]:
    """Core with a receiver of each kind."""
    async with CoreServer(tmp_path, RECEIVERS) as server:
        yield server


def sign(body: bytes, *keys: str, at_s: float = 0.0) -> dict[str, str]:
    """Headers of a request signed *at_s* seconds from now, with one signature for each key, as docs/inbound.md says."""
    timestamp = str(int(time.time() + at_s))
    signatures = [hmac.new(key.encode(), f"{timestamp}:".encode() + body, hashlib.sha256).hexdigest() for key in keys]
    return {
        "content-type": "application/json",
        "x-opsbot-timestamp": timestamp,
        "x-opsbot-signature": ",".join(signatures),
    }


async def post_signed(core: CoreServer, receiver: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """Post bytes as they were signed."""
    return await core.http.post(f"/webhooks/{receiver}", content=body, headers=headers)


async def test_grafana_opens_and_ends(core: CoreServer) -> None:
    """Its alert is an incident; `resolved` ends it; a repeat while it fires is no duplicate, for it has no id."""
    for _ in range(2):
        answer = await core.post("grafana", {"status": "firing", "alerts": [GRAFANA_ALERT]}, **BEARER)
        assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert core.incidents() == [("The queue grows", "open")]
    ended = {**GRAFANA_ALERT, "status": "resolved", "endsAt": "2026-01-01T10:00:00+02:00"}
    await core.post("grafana", {"status": "resolved", "alerts": [ended]}, **BEARER)
    assert core.incidents() == [("The queue grows", "resolved")]


async def test_grafana_may_use_basic(core: CoreServer) -> None:
    """HTTP Basic with the user's name and any valid token; another name or token is refused."""
    body = {"alerts": [GRAFANA_ALERT]}
    statuses = []
    for given in (f"grafana:{OLD}", f"root:{OLD}", "grafana:wrong", "grafana:"):
        header = f"Basic {base64.b64encode(given.encode()).decode()}"
        statuses.append((await core.post("grafana", body, authorization=header)).status_code)
    assert statuses == [200, 401, 401, 401]


async def test_datadog_opens_and_ends(core: CoreServer) -> None:
    """A monitor that triggers and recovers is one incident, though severity, title and tags differ by then."""
    assert (await core.post("datadog", DATADOG, x_opsbot_token=OLD)).status_code == 200
    assert core.incidents() == [("GPU memory is full", "open")]
    recovered = {
        **DATADOG,
        "id": "5556",
        "alert_transition": "Recovered",
        "alert_type": "success",
        "alert_title": "[Recovered on {host:gpu-1}] GPU memory is full",
        "tags": "env:prod",
        "date": "1767225900000",
    }
    assert (await core.post("datadog", recovered, x_opsbot_token=NEW)).json()["accepted"] == 1
    assert core.incidents() == [("GPU memory is full", "resolved")]


async def test_an_event_counts_once(core: CoreServer) -> None:
    """The same id again is answered with success and changes nothing, also within one body, also after a restart."""
    body = {"events": [EVENT, EVENT, {**EVENT, "id": "backup-18", "name": "Other"}]}
    first = await core.post("cron", body, **BEARER)
    assert first.json() == {"accepted": 2, "duplicates": 1, "rejected": []}
    await core.stop()
    await core.start()
    again = await core.post("cron", body, **BEARER)
    assert (again.status_code, again.json()) == (200, {"accepted": 0, "duplicates": 3, "rejected": []})
    assert core.counted("opsbot_alerts_duplicate_total", receiver="cron") == 3


async def test_a_late_repeat_does_not_undo_an_end(core: CoreServer) -> None:
    """Fired, ended, and the first post comes again: the incident stays resolved. Its end may have the same id."""
    await core.post("cron", {"events": [EVENT]}, **BEARER)
    await core.post("cron", {"events": [{**EVENT, "status": "resolved"}]}, **BEARER)
    assert (await core.post("cron", {"events": [EVENT]}, **BEARER)).json()["duplicates"] == 1
    assert core.incidents() == [("BackupFailed", "resolved")]


async def test_ids_of_two_receivers_are_different_ids(core: CoreServer) -> None:
    """What one sender calls 1 is not what another calls 1."""
    body = json.dumps({"events": [EVENT]}).encode()
    await core.post("cron", {"events": [EVENT]}, **BEARER)
    assert (await post_signed(core, "signed", body, sign(body, NEW))).json()["accepted"] == 1


async def test_many_at_once_count_once(core: CoreServer) -> None:
    """Sixty posts of one event at the same time: one is accepted."""
    answers = await asyncio.gather(*(core.post("cron", {"events": [EVENT]}, **BEARER) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["accepted"] for answer in answers) == 1
    assert len(core.incidents()) == 1


async def test_a_signature_is_checked(core: CoreServer) -> None:
    """By either key, or by one of two signatures; a foreign key, another body, an old or a missing time: 401."""
    body = json.dumps({"events": [EVENT]}).encode()
    for headers in (sign(body, NEW), sign(body, OLD, at_s=-250), sign(body, "foreign", NEW)):
        assert (await post_signed(core, "signed", body, headers)).status_code == 200
    wrong = [
        ("fits no key", sign(body, "foreign")),
        ("fits no key", sign(body + b" ", NEW)),
        ("s from core's clock; 300 s are allowed", sign(body, NEW, at_s=-310)),
        ("s from core's clock; 300 s are allowed", sign(body, NEW, at_s=310)),
        ("are needed", {"content-type": "application/json"}),
        ("whole seconds", sign(body, NEW) | {"x-opsbot-timestamp": "soon"}),
    ]
    for says, headers in wrong:
        refused = await post_signed(core, "signed", body, headers)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "not_authorized")
        assert says in refused.json()["error"]["message"]
    assert core.counted("opsbot_webhooks_refused_total", receiver="signed", reason="unauthorized") == 6


async def test_a_signed_request_counts_once(core: CoreServer) -> None:
    """Whoever saw a signed request posts it again, with its signature written differently: a duplicate."""
    body = json.dumps({"alerts": [GRAFANA_ALERT]}).encode()
    headers = {**sign(body, OLD), **BEARER}
    assert (await post_signed(core, "both", body, headers)).json()["accepted"] == 1
    copied = {**headers, "x-opsbot-signature": f"abc, {headers['x-opsbot-signature'].upper()}"}
    assert (await post_signed(core, "both", body, copied)).json() == {"accepted": 0, "duplicates": 1, "rejected": []}
    unsigned = await core.post("both", {"alerts": [GRAFANA_ALERT]}, **BEARER)
    assert unsigned.status_code == 401


async def test_a_token_is_good_for_its_receiver_only(core: CoreServer) -> None:
    """Neither for another receiver, nor for the API; the machine's token does not open a receiver."""
    assert (await core.post("cron", {"events": [EVENT]}, authorization=f"Bearer {OLD}")).status_code == 401
    assert (await core.post("cron", {"events": [EVENT]}, authorization="Bearer machine")).status_code == 401
    assert (await core.post("alertmanager", {"alerts": []}, **BEARER)).status_code == 401
    assert (await core.http.get("/api/v1/incidents", headers=BEARER)).status_code == 401
    assert (await core.http.get("/webhooks/cron", headers=BEARER)).status_code == 405
    assert (await core.post("nobody", {}, **BEARER)).status_code == 404


async def test_metrics_tell_receivers_apart(core: CoreServer) -> None:
    """Every receiver is there from the start; what it took and refused is under its name."""
    nameless = {**EVENT, "id": "n", "name": ""}
    await core.post("cron", {"events": [EVENT, nameless]}, **BEARER)
    text = (await core.http.get("/metrics")).text
    assert 'opsbot_alerts_received_total{receiver="cron"} 1.0' in text
    assert 'opsbot_alerts_rejected_total{receiver="cron"} 1.0' in text
    assert 'opsbot_alerts_received_total{receiver="alertmanager"} 0.0' in text
    assert 'opsbot_webhooks_refused_total{reason="unauthorized",receiver="datadog"} 0.0' in text
