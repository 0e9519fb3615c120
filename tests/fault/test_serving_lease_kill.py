"""The server is killed while leases live: what was promised is kept, what ran out is not."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
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


def dying(where: str, folder: Path) -> tuple[str, ...]:
    """A server that kills itself at *where*, once."""
    return ("tests.support.dying_server", where, str(folder / "died"))


@pytest.mark.parametrize(("where", "status"), [("before_journal", 201), ("after_journal", 200)])
def test_a_kill_around_the_journal_entry_has_one_outcome(tmp_path: Path, where: str, status: int) -> None:
    """Before it the change never happened and the repeated request makes it; after it it has, and the repeat finds it.

    Either way one lease is in force, with one note in the audit.
    """
    journal = tmp_path / "leases.jsonl"
    request = body(8, 600, "key")
    with serving(journal, "--max-num-seqs", "32", module=dying(where, tmp_path)) as server, server.client() as client:
        with pytest.raises(httpx.TransportError):
            client.post(LEASES, json=request)
        server.wait()
    with serving(journal, "--max-num-seqs", "32") as server, server.client() as client:
        knob = client.get("/control/v1/knobs/batch_limit").json()
        assert knob["in_force"] == (32 if where == "before_journal" else 8)
        assert client.post(LEASES, json=request).status_code == status
        until_sync(lambda: server.metric("serving_batch_limit") == 8)
        assert len(client.get(LEASES).json()["leases"]) == 1
        notes = client.get("/control/v1/audit").json()["notes"]
        assert [(note["by"], note["action"], note["before"], note["after"]) for note in notes] == [
            ("full", "granted", 32, 8)
        ]


def test_a_torn_journal_line_is_a_change_that_never_happened(tmp_path: Path) -> None:
    """A kill in the middle of the write: what was answered before is in force, the torn one can be asked for again."""
    journal = tmp_path / "leases.jsonl"
    with serving(journal) as server, server.client() as client:
        client.post(LEASES, json=body(8, 600, "whole"))
        client.post(LEASES, json=body(4, 600, "torn"))
        server.kill()
    journal.write_bytes(journal.read_bytes()[:-40])
    with serving(journal) as server, server.client() as client:
        assert client.get("/control/v1/knobs/batch_limit").json()["in_force"] == 8
        assert len(client.get("/control/v1/audit").json()["notes"]) == 1
        assert client.post(LEASES, json=body(4, 600, "torn")).status_code == 201


def test_nobody_is_there_and_the_lease_ends_as_it_said(tmp_path: Path) -> None:
    """A lease that ramps runs out while the bot is dead and the server down: it comes back at full strength, and goes
    in steps; what simply ends has ended; a drain of a server that is well again is over.
    """
    journal = tmp_path / "leases.jsonl"
    with serving(journal, "--max-num-seqs", "32") as server, server.client() as client:
        ramp = client.post(LEASES, json=body(12, 1, "ramp") | {"on_end": "ramp"}).json()["lease_id"]
        plain = client.post(LEASES, json=body(16, 1, "plain")).json()["lease_id"]
        drain = client.post(LEASES, json=body(0, 1, "drain") | {"knob": "drain", "value": {}}).json()
        server.kill()
    time.sleep(max(0.0, drain["created_at"] + 1.1 - time.time()))
    with serving(journal, "--max-num-seqs", "32") as server, server.client() as client:

        def lease(lease_id: str) -> dict[str, object]:
            return dict(client.get(f"{LEASES}/{lease_id}").json())

        until_sync(lambda: lease(ramp)["strength"] == 0.8)
        assert (lease(ramp)["state"], lease(ramp)["in_force"]) == ("ramping", 16)
        assert (lease(plain)["state"], lease(plain)["end_reason"]) == ("ended", "expired")
        until_sync(lambda: lease(drain["lease_id"])["state"] == "ended")
        assert client.post("/v1/completions", json={"prompt": "x", "max_tokens": 1}).status_code == 200
        notes = client.get("/control/v1/audit", params={"knob": "batch_limit"}).json()["notes"]
        assert [(note["action"], note["strength"]) for note in notes if note["lease_id"] == ramp] == [
            ("granted", 1.0),
            ("ramped", 1.0),
            ("ramped", 0.8),
        ]


def test_a_restart_under_way_is_not_run_again(tmp_path: Path) -> None:
    """The server dies while it waits to restart its engine: the start was one, and the key says so."""
    journal = tmp_path / "leases.jsonl"
    command = {"owner": "run:1", "reason": "memory grows", "idempotency_key": "restart"}
    with serving(journal) as server, server.client() as client, ThreadPoolExecutor(1) as threads:
        slow = body(50, 600, "slow") | {"knob": "fault.slow_step_ms"}
        slow_id = client.post(LEASES, json=slow).json()["lease_id"]
        long = {"prompt": "x", "max_tokens": 400, "ignore_eos": True}
        threads.submit(httpx.post, f"{server.url}/v1/completions", json=long, trust_env=False)
        until_sync(lambda: server.metric("vllm:num_requests_running") == 1)
        begun = client.post("/control/v1/restart", json=command)
        assert (begun.status_code, begun.json()["state"]) == (202, "running")
        server.kill()
    with serving(journal) as server, server.client() as client:
        client.delete(f"{LEASES}/{slow_id}")
        again = client.post("/control/v1/restart", json=command)
        assert (again.status_code, again.json()["state"]) == (200, "done")
        assert again.json()["detail"] == "the server itself was started again"


def test_a_clock_that_stepped_back_over_a_restart(tmp_path: Path) -> None:
    """The server ran with a clock a day ahead, which was then set right: a lease has the time that it had left."""
    journal = tmp_path / "leases.jsonl"
    with serving(journal, module=("tests.support.dying_server", "clock=86400", "-")) as server:
        with server.client() as client:
            long = client.post(LEASES, json=body(8, 600, "long")).json()
            short = client.post(LEASES, json=body(4, 2, "short")).json()
        assert long["created_at"] > time.time() + 80_000
        server.kill()
    with serving(journal) as server, server.client() as client:
        left_s = client.get(f"{LEASES}/{long['lease_id']}").json()["expires_at"] - time.time()
        assert 550 < left_s <= 600
        until_sync(lambda: client.get(f"{LEASES}/{short['lease_id']}").json()["state"] == "ended", limit_s=4)
        assert client.get("/control/v1/knobs/batch_limit").json()["in_force"] == 8
