"""A live fleet as a process, and the moves that tests make against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.serving_server import ServingServer

_NUMBERS = count(1)


class FleetServer(ServingServer):
    """`python -m serving_stub fleet FILE`; the journal's folder keeps its leases."""

    def arguments(self, journal: Path, given: Sequence[str]) -> list[str]:
        """The command line after the module's name."""
        return ["fleet", "--port", "0", "--state-dir", str(journal), *given]


@contextmanager
def fleet_serving(state_dir: Path, file: Path, *arguments: str) -> Iterator[FleetServer]:
    """A fleet for the length of a with block."""
    server = FleetServer(state_dir, [str(file), *arguments])
    try:
        yield server
    finally:
        server.close()


def lease(
    client: httpx.Client, knob: str, value: Any = None, *, cluster: str | None = None, ttl_s: float = 60.0, **more: Any
) -> httpx.Response:
    """Ask a cluster's control API for a lease, or the fleet's own."""
    root = "" if cluster is None else f"/clusters/{cluster}"
    body = {"knob": knob, "ttl_s": ttl_s, "owner": "test", "reason": "a test", "stack": True, **more}
    if value is not None:
        body["value"] = value
    return client.post(f"{root}/control/v1/leases", json={"idempotency_key": f"key-{next(_NUMBERS)}", **body})


@contextmanager
def leased(client: httpx.Client, knob: str, value: Any = None, *, cluster: str | None = None) -> Iterator[None]:
    """The lease for the length of a with block."""
    granted = lease(client, knob, value, cluster=cluster, on_end="release").raise_for_status().json()
    try:
        yield
    finally:
        root = "" if cluster is None else f"/clusters/{cluster}"
        client.delete(f"{root}/control/v1/leases/{granted['lease_id']}", params={"now": "true"}).raise_for_status()


def state(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """What the router sees, by cluster."""
    return {one["name"]: one for one in client.get("/clusters").raise_for_status().json()["clusters"]}


def complete(client: httpx.Client, *, country: str = "US", root: str = "", **body: Any) -> httpx.Response:
    """One completion, through the router unless *root* names a cluster's path."""
    asked = {"prompt": "hello", "max_tokens": 2, **body}
    return client.post(f"{root}/v1/completions", json=asked, headers={"cf-ipcountry": country})
