"""What goes wrong with webhooks, over real HTTP: too much, too slow, no JSON, a store that cannot take them."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from opsbot.store.inbound import InboundRepository
from opsbot.web.inbound import door
from opsbot.web.inbound.body import read_body
from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.receiver import Receiver
from tests.support.core_server import CoreServer

pytestmark = pytest.mark.integration

TOKEN = "the-token-of-the-cron-jobs"
BEARER = {"authorization": f"Bearer {TOKEN}"}
EVENT: Mapping[str, Any] = {"id": "1", "status": "firing", "name": "BackupFailed"}
BODY: Mapping[str, Any] = {"events": [EVENT]}
MIB = 1 << 20


@pytest.fixture
async def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CoreServer]:
    """Core with one receiver, and little patience with a locked database."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 50)
    async with CoreServer(tmp_path, [Receiver("cron", "generic", Credential.of([TOKEN]))]) as server:
        yield server


async def raw(core: CoreServer, *headers: str, body: bytes = b"") -> bytes:
    """The answer to a request written by hand; what follows *body* never comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
    head = ["POST /webhooks/cron HTTP/1.1", "Host: core", f"Authorization: Bearer {TOKEN}", *headers]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    return answer


async def test_too_large_by_its_own_account(core: CoreServer) -> None:
    """Content-Length says 20 MB: 413 before a byte of it has come."""
    answer = await raw(core, "Content-Length: 20000000")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert core.counted("opsbot_webhooks_refused_total", receiver="cron", reason="too_large") == 1


async def test_too_large_without_saying_so(core: CoreServer) -> None:
    """20 MB in chunks: 413, and core never holds more than the limit."""
    chunk = b" " * 65536

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20 * MIB // len(chunk)):
            yield chunk

    tracemalloc.start()
    try:
        answer = await core.http.post("/webhooks/cron", content=chunks(), headers=BEARER)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert "larger than 4194304 bytes" in answer.json()["error"]["message"]
    assert 4 * MIB < peak < 12 * MIB


async def test_just_small_enough(core: CoreServer) -> None:
    """A body of exactly the limit is read."""
    body = json.dumps(BODY).encode().ljust(4 * MIB)
    headers = {**BEARER, "content-type": "application/json"}
    assert (await core.http.post("/webhooks/cron", content=body, headers=headers)).status_code == 200


async def test_a_body_that_does_not_come(core: CoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops in the middle is told so and does not hold its place for ever."""
    monkeypatch.setattr(door, "read_body", lambda request: read_body(request, limit_s=0.2))
    answer = await raw(core, "Content-Length: 100", body=b'{"events": [')
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_sender_that_hangs_up(core: CoreServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is forgotten without an error in the log, and others are served."""
    _, writer = await asyncio.open_connection("127.0.0.1", core.port)
    writer.write(f"POST /webhooks/cron HTTP/1.1\r\nHost: c\r\nAuthorization: Bearer {TOKEN}\r\n".encode())
    writer.write(b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    assert (await core.post("cron", BODY, **BEARER)).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"rubbish", "not JSON"),
        (b'{"events": "\xff"}', "not JSON: invalid unicode"),
        ('{"events": []}'.encode("utf-16"), "not JSON"),
        (b"[" * 100_000, "not JSON: recursion limit"),
        (b'{"events": [{"value": NaN}]}', "not JSON"),
        (b'{"events": [{"id": "\\ud800"}]}', "not JSON"),
        (b'{"events": {}}', 'must be {"events": ['),
        (b"[]", 'must be {"events": ['),
        (b'{"events": [{"id": "1", "status": "on", "name": "A"}]}', "events[0].status"),
    ],
)
async def test_what_cannot_be_read(core: CoreServer, body: bytes, says: str) -> None:
    """No JSON, not UTF-8, too deep, not our form, or nothing in it that could be taken: 400 and where."""
    answer = await core.http.post(
        "/webhooks/cron", content=body, headers={**BEARER, "content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_what_is_no_json_by_its_own_account(core: CoreServer, headers: Mapping[str, str]) -> None:
    """Another type, charset or encoding: 415 before the body is read."""
    answer = await core.http.post("/webhooks/cron", content=b"{}", headers={**BEARER, **headers})
    assert (answer.status_code, answer.json()["error"]["type"]) == (415, "wrong_content_type")


async def test_one_bad_event_never_drops_the_others(core: CoreServer) -> None:
    """The good ones are stored, each bad one is named with what is wrong about it, and no value is quoted."""
    events = [
        {**EVENT, "id": "2", "labels": {"secret": "x" * 2000}},
        EVENT,
        {**EVENT, "id": "3", "starts_at": "2026-01-01T00:00:00"},
        {**EVENT, "id": "4", "severity": "apocalyptic"},
        {**EVENT, "id": "5", "sumary": "typo"},
        {**EVENT, "id": "6", "starts_at": "0001-01-01T00:00:00Z"},
        7,
    ]
    answer = (await core.post("cron", {"events": events}, **BEARER)).json()
    assert (answer["accepted"], core.incidents()) == (1, [("BackupFailed", "open")])
    assert [line.split(": ")[0] for line in answer["rejected"]] == [
        "events[0].labels",
        "events[2].starts_at",
        "events[3].severity",
        "events[4].sumary",
        "events[5].starts_at",
        "events[6].",
    ]
    assert "apocalyptic" not in str(answer)
    assert "xxx" not in str(answer)


async def test_thousands_of_bad_events_have_a_short_answer(core: CoreServer) -> None:
    """The answer names fifty and says how many more there are."""
    answer = (await core.post("cron", {"events": [EVENT, *([{}] * 5000)]}, **BEARER)).json()
    assert (len(answer["rejected"]), answer["rejected"][-1]) == (51, "… and 4950 more")


async def test_a_locked_database(core: CoreServer, tmp_path: Path) -> None:
    """503 with a time to wait; nothing is stored, not even the id, so that the repeat is accepted."""
    blocker = sqlite3.connect(tmp_path / "opsbot.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused = await core.post("cron", BODY, **BEARER)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "send them again" in refused.json()["error"]["message"]
    assert (core.incidents(), InboundRepository(core.database).count()) == ([], 0)
    assert (await core.post("cron", BODY, **BEARER)).json() == {"accepted": 1, "duplicates": 0, "rejected": []}


async def test_a_full_disk(core: CoreServer) -> None:
    """When the file cannot grow: 503, nothing half stored; with room again the same post is accepted."""
    limit_pages = [0]

    def set_limit(connection: Any, record: Any, proxy: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={limit_pages[0]}")

    with core.database.read() as connection:
        limit_pages[0] = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    event.listen(core.database.engine, "checkout", set_limit)
    large = {
        "events": [
            {**EVENT, "id": str(number), "name": f"N{number}", "description": "x" * 8000} for number in range(20)
        ]
    }
    refused = await core.post("cron", large, **BEARER)
    assert refused.status_code == 503
    assert (core.incidents(), InboundRepository(core.database).count()) == ([], 0)
    limit_pages[0] = 1 << 30
    assert (await core.post("cron", large, **BEARER)).json()["accepted"] == 20


async def test_a_guesser_is_counted_and_logged_once(core: CoreServer, caplog: pytest.LogCaptureFixture) -> None:
    """Fifty wrong tokens: fifty in the metric, one line in the log, and the token is not in it."""
    for _ in range(50):
        await core.post("cron", BODY, authorization="Bearer guess-guess-guess")
    assert core.counted("opsbot_webhooks_refused_total", receiver="cron", reason="unauthorized") == 50
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) == 1
    assert "guess" not in lines[0]
    assert "127.0.0.1" not in lines[0]


async def test_slow_senders_of_one_receiver_do_not_keep_others_waiting(core: CoreServer) -> None:
    """All places of one receiver are taken by bodies that do not come; the alert door still answers."""
    writers = []
    for _ in range(door.MAX_AT_ONCE + 4):
        _, writer = await asyncio.open_connection("127.0.0.1", core.port)
        writer.write(f"POST /webhooks/cron HTTP/1.1\r\nHost: c\r\nAuthorization: Bearer {TOKEN}\r\n".encode())
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        writers.append(writer)
    await asyncio.sleep(0.1)
    assert (await core.post("alertmanager", {"alerts": []}, authorization="Bearer machine")).status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        await core.http.post("/webhooks/cron", json=BODY, headers=BEARER, timeout=0.3)
    for writer in writers:
        writer.close()
    assert (await core.post("cron", BODY, **BEARER)).status_code == 200
