"""A failwhale that ends while callers never stop asking."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.door import ask, counted, door_file, grant, lease_of
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration


@contextmanager
def started(folder: Path, *arguments: str, **settings: object) -> Iterator[ServingServer]:
    """A server with its journal in *folder*; its ramps take 5 times 100 ms."""
    with serving(folder / "leases.jsonl", "--door", door_file(folder, **settings), *arguments) as running:
        yield running


def test_a_failwhale_that_ends_under_full_load_ramps_only_as_far_as_there_is_room(tmp_path: Path) -> None:
    """Sixty callers who never stop are let in step by step; too many wait for the last steps, until they are fewer."""
    callers = [f"192.0.2.{number}" for number in range(1, 61)]
    over = threading.Event()
    statuses: list[int] = []

    def keep_asking(caller: str) -> None:
        body = {"prompt": "a", "max_tokens": 20, "ignore_eos": True}
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
            while not over.is_set():
                status = http.post("/v1/completions", json=body, headers={"x-forwarded-for": caller}).status_code
                statuses.append(status)
                over.wait(0.05 if status == 200 else 0.3)

    ramp = {"steps": 5, "step": "300ms"}
    with started(tmp_path, "--max-num-seqs", "4", max_in_flight=8, ramp=ramp) as server:
        granted = grant(server, "failwhale", {}, ttl_s=1)
        threads = [threading.Thread(target=keep_asking, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        longest: dict[float, float] = {}
        try:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                strength = lease_of(server, granted["lease_id"])["strength"]
                assert counted(server, "frontdoor_in_flight") <= 8
                longest[strength] = max(counted(server, "frontdoor_queue_depth"), longest.get(strength, 0.0))
                time.sleep(0.05)
            held = lease_of(server, granted["lease_id"])
        finally:
            over.set()
            for thread in threads:
                thread.join()
        # Never more than a quarter of the places waits when a step lets in another fifth of the callers.
        assert max(longest.values()) <= 8 / 4 + 2 * len(callers) / 5, longest
        assert held["state"] == "ramping", longest
        assert 0 < held["strength"] < 1
        assert set(statuses) == {200, 503}
        until_sync(lambda: lease_of(server, granted["lease_id"])["state"] == "ended")
        assert ask(server).status_code == 200
