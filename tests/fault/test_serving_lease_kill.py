"""The server is killed while leases live: what was promised is kept, what ran out is not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.serving_server import CONTROL, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.fault

LEASES = "/control/v1/leases"


def body(value: int, ttl_s: float, key: str) -> dict[str, object]:
    """A request for a smaller batch."""
    return {
        "knob": "batch_limit",
        "value": value,
        "mode": "finish",
        "ttl_s": ttl_s,
        "owner": "run:1",
        "reason": "KV cache pressure",
        "idempotency_key": key,
    }


def test_a_killed_server_keeps_its_promises(tmp_path: Path) -> None:
    """After kill -9 a live lease is in force again, one that ran out meanwhile is not, a released one neither."""
    journal = tmp_path / "leases.jsonl"
    with serving(journal, "--max-num-seqs", "32") as server, server.client() as client:
        client.post(LEASES, json=body(2, 1, "short"))
        released = client.post(LEASES, json=body(3, 600, "released")).json()["lease_id"]
        client.delete(f"{LEASES}/{released}")
        long = client.post(LEASES, json=body(8, 600, "long")).json()
        server.kill()
    time.sleep(max(0.0, long["created_at"] + 1.1 - time.time()))
    with serving(journal, "--max-num-seqs", "32") as server, server.client() as client:
        knob = client.get("/control/v1/knobs").json()["knobs"][0]
        assert (knob["in_force"], knob["leases"]) == (8, [long["lease_id"]])
        until_sync(lambda: server.metric("serving_batch_limit") == 8)
        states = {one["idempotency_key"]: one["end_reason"] for one in client.get(LEASES).json()["leases"]}
        assert states == {"short": "expired", "released": "released", "long": None}
        again = client.post(LEASES, json=body(8, 600, "long"))
        assert (again.status_code, again.json()["lease_id"]) == (200, long["lease_id"])


def test_every_answered_grant_survives(tmp_path: Path) -> None:
    """Killed in the middle of many grants, the server still knows each one that it answered, once."""
    journal = tmp_path / "leases.jsonl"
    answered: list[str] = []

    def grant_until_dead(url: str, number: int) -> None:
        with httpx.Client(base_url=url, headers=CONTROL, trust_env=False) as client:
            for count in range(10_000):
                key = f"{number}-{count}"
                try:
                    answer = client.post(LEASES, json=body(4, 600, key))
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    answered.append(key)

    with serving(journal) as server:
        threads = [threading.Thread(target=grant_until_dead, args=(server.url, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        until_sync(lambda: len(answered) > 40)
        server.kill()
        for thread in threads:
            thread.join()
    with serving(journal) as server, server.client() as client:
        known = [one["idempotency_key"] for one in client.get(LEASES).json()["leases"]]
    assert set(answered) <= set(known)
    assert len(known) == len(set(known)) <= len(answered) + 4
