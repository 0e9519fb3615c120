"""A server of our own for a bench: a process on a free port, gone at the end whatever happens."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from prometheus_client.parser import text_string_to_metric_families

from opsbot.demo.processes import Processes, free_port

START_LIMIT_S = 120.0
DRAIN_LIMIT_S = 60.0
CONTROL_TOKEN = "bench"  # noqa: S105  (it guards a server that lives for one bench, on the loopback)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers.

    Args:
        http: a client with its address.
        pid: its process.
    """

    http: httpx.AsyncClient
    pid: int


@asynccontextmanager
async def serving(model: str, arguments: Sequence[str] = ()) -> AsyncIterator[Served]:
    """A ready server; raises ClickException with its log if it does not start."""
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        processes = Processes(Path(name), {"SERVING_CONTROL_TOKEN": CONTROL_TOKEN})
        async with httpx.AsyncClient(
            base_url=url, timeout=600.0, trust_env=False, limits=httpx.Limits(max_connections=None)
        ) as http:
            try:
                server = await processes.start(
                    "server",
                    "serving_stub",
                    [
                        "--port",
                        url.rsplit(":", 1)[1],
                        "--model",
                        model,
                        "--journal",
                        f"{name}/leases.jsonl",
                        *arguments,
                    ],
                )
                give_up_at = time.monotonic() + START_LIMIT_S
                while not await is_up(http):
                    if time.monotonic() > give_up_at:
                        raise click.ClickException(f"the server did not start:\n{server.log_tail()}")
                    await asyncio.sleep(0.1)
                yield Served(http, server.process.pid)
            finally:
                await processes.stop_all()


async def is_up(http: httpx.AsyncClient) -> bool:
    """Whether the server says that it is healthy."""
    try:
        return (await http.get("/health", timeout=2.0)).is_success
    except httpx.HTTPError:
        return False


async def scrape(http: httpx.AsyncClient) -> dict[str, float]:
    """Every sample of /metrics by its name; those of one name are added, but for the bound that holds."""
    text = (await http.get("/metrics")).raise_for_status().text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name + (f":{sample.labels['bound']}" if "bound" in sample.labels else "")
            found[name] = found.get(name, 0.0) + sample.value
    return found


async def until_idle(http: httpx.AsyncClient) -> dict[str, float]:
    """Wait until nobody is served any more, or for DRAIN_LIMIT_S; answers what /metrics says then."""
    give_up_at = time.monotonic() + DRAIN_LIMIT_S
    while (now := await scrape(http))["vllm:num_requests_running"] + now["vllm:num_requests_waiting"]:
        if time.monotonic() > give_up_at:
            break
        await asyncio.sleep(0.1)
    return now
