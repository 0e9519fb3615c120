"""Leases of the door that nobody renews, through a kill of the server; and what runs while they change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.door import ask, code_of, door_file, fly, grant, is_whole, lease_of, leased, until_idle
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

LATE_S = 0.6
"""An expiry is noticed at most half a second late; the rest is the question's own way."""


@contextmanager
def started(folder: Path, *arguments: str, **settings: object) -> Iterator[ServingServer]:
    """A server with its journal in *folder*; its ramps take 5 times 100 ms."""
    with serving(folder / "leases.jsonl", "--door", door_file(folder, **settings), *arguments) as running:
        yield running


@pytest.mark.parametrize(("knob", "value"), [("failwhale", {}), ("shed", {"fraction": 1})])
def test_a_lease_ends_by_itself_through_a_kill(tmp_path: Path, knob: str, value: dict[str, float]) -> None:
    """5 s after the grant it begins to ramp, with its owner dead and the server killed and started in between."""
    with started(tmp_path) as server:
        granted = grant(server, knob, value, ttl_s=5)
        assert code_of(ask(server)) == knob
        server.kill()
    with started(tmp_path) as server:
        assert time.time() < granted["expires_at"], "the restart took too long to see anything"
        assert code_of(ask(server)) == knob
        lease = lease_of(server, granted["lease_id"])
        assert (lease["state"], lease["expires_at"]) == ("live", granted["expires_at"])
        until_sync(lambda: lease_of(server, granted["lease_id"])["state"] != "live")
        assert 0 <= time.time() - granted["expires_at"] < LATE_S
        until_sync(lambda: lease_of(server, granted["lease_id"])["state"] == "ended")
        lease = lease_of(server, granted["lease_id"])
        assert lease["end_reason"] == "expired"
        assert lease["ended_at"] - granted["expires_at"] >= 0.3
        assert ask(server).status_code == 200


def test_a_lease_whose_time_passed_while_the_server_was_dead_ends_at_the_start(tmp_path: Path) -> None:
    """It ramps from there, so the door does not snap open onto a server that has just started."""
    with started(tmp_path) as server:
        granted = grant(server, "failwhale", {}, ttl_s=1)
        server.kill()
    time.sleep(max(0.0, granted["expires_at"] - time.time()))
    with started(tmp_path) as server:
        until_sync(lambda: lease_of(server, granted["lease_id"])["state"] == "ended")
        assert lease_of(server, granted["lease_id"])["end_reason"] == "expired"
        assert ask(server).status_code == 200


def test_streams_in_flight_outlive_every_change(tmp_path: Path) -> None:
    """Everybody shed, the failwhale up, a batch and a door of one place: what runs goes on to its end."""
    with started(tmp_path, "--max-num-seqs", "4") as server:
        flights = [fly(server, 700) for _ in range(3)]
        with leased(server, "shed", {"fraction": 1}):
            assert code_of(ask(server)) == "shed"
            with leased(server, "failwhale", {}), leased(server, "batch_limit", 1, mode="preempt"):
                assert code_of(ask(server)) == "failwhale"
                assert all(map(is_whole, flights))
        assert ask(server).status_code == 200
        until_idle(server)
