"""A storm of alerts into a real core with a workspace: how many incidents, how much Slack is called, and what is lost.

`python -m bench.alert_storm`: 300 different alerts in 5 seconds, as a fleet's Alertmanager sends them when a region
goes, then the end of all of them. Core and the workspace are processes; Slack's Web API is called through a proxy that
counts. Every alert must be found again by core's API: among what fires, or with what was decided about it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.breach import until_ready
from bench.watch import process
from opsbot.clock import to_rfc3339
from opsbot.demo.processes import free_port
from opsbot.labels import fingerprint
from opsbot.notify.budget import EDIT_BURST, EDITS_PER_S, POST_BURST, POSTS_PER_S
from serving_stub.roofline.calibrate import processor
from tests.support.watching import served

TOKEN = "bench-token"  # noqa: S105  (of this run's own processes)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NEVER = "0001-01-01T00:00:00Z"
NAMES = ("KVCachePressure", "TTFTSlow", "QueueGrows", "EngineStalled", "Preemptions", "BatchSaturated")
ALLOWED = {"chat.postMessage": (POSTS_PER_S, POST_BURST), "chat.update": (EDITS_PER_S, EDIT_BURST)}
"""Calls a second, and at once; an incident's first message is not held back by the rate."""

Labels = Mapping[str, str]


@dataclass(slots=True)
class CountingProxy:
    """Stands before the workspace's Web API and notes when which method is called."""

    api_url: str
    http: httpx.AsyncClient
    calls: list[tuple[float, str]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """Its server."""

        async def forward(request: Request) -> Response:
            method = request.path_params["method"]
            self.calls.append((time.monotonic(), method))
            kept = ("authorization", "content-type")
            headers = {name: request.headers[name] for name in kept if name in request.headers}
            answer = await self.http.request(
                request.method,
                f"{self.api_url}{method}",
                params=dict(request.query_params),
                content=await request.body(),
                headers=headers,
            )
            return Response(answer.content, answer.status_code, {"content-type": answer.headers["content-type"]})

        return Starlette(routes=[Route("/api/{method}", forward, methods=["GET", "POST"])])

    def of(self, method: str, since: float) -> list[float]:
        """When it was called, in seconds since then."""
        return [at - since for at, name in self.calls if name == method]


def storm(count: int, seed: int) -> list[Labels]:
    """Label sets of which no two are alike: few names, many clusters and instances, as when a region goes."""
    rng = random.Random(seed)
    found = [
        {
            "alertname": NAMES[index % len(NAMES)],
            "cluster": f"{rng.choice(('eu', 'us', 'ap'))}-{index % 25}",
            "instance": f"10.0.{index // 250}.{index % 250}:8000",
            "service": "serving",
            "severity": rng.choice(("critical", "critical", "high", "medium")),
        }
        for index in range(count)
    ]
    rng.shuffle(found)
    return found


def webhook(batch: Sequence[Labels], status: str, began: float) -> dict[str, Any]:
    """Alertmanager's body."""
    ended = to_rfc3339(time.time()) if status == "resolved" else NEVER
    alerts = [
        {
            "status": status,
            "labels": dict(labels),
            "annotations": {"summary": f"{labels['alertname']} on {labels['cluster']}"},
            "startsAt": to_rfc3339(began),
            "endsAt": ended,
        }
        for labels in batch
    ]
    return {"version": "4", "alerts": alerts}


async def post_all(
    core: httpx.AsyncClient, alerts: Sequence[Labels], status: str, over_s: float, seed: int
) -> list[float]:
    """Send them evenly over so many seconds, one to five in a post, as long as each is taken; answers the latencies."""
    rng, began = random.Random(seed), time.time()
    batches: list[Sequence[Labels]] = []
    at = 0
    while at < len(alerts):
        size = rng.randint(1, 5)
        batches.append(alerts[at : at + size])
        at += size
    took: list[float] = []

    async def send(batch: Sequence[Labels], after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            asked = time.monotonic()
            answer = await core.post("/webhooks/alertmanager", json=webhook(batch, status, began))
            took.append(time.monotonic() - asked)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                answer.raise_for_status()
                assert answer.json()["rejected"] == []
                return
            await asyncio.sleep(0.5)

    pause_s = over_s / len(batches)
    await asyncio.gather(*(send(batch, index * pause_s) for index, batch in enumerate(batches)))
    return took


async def found_again(core: httpx.AsyncClient, alerts: Sequence[Labels]) -> tuple[int, int, list[Labels]]:
    """How many of them fire by core's account, how many are only explained, and which are lost."""
    answer = (await core.get("/api/v1/alerts")).raise_for_status()
    firing = {json.dumps(alert["labels"], sort_keys=True) for alert in answer.json()["alerts"]}
    others = [labels for labels in alerts if json.dumps(dict(labels), sort_keys=True) not in firing]
    lost = []
    for labels in others:
        explained = await core.get("/api/v1/explain", params={"about": fingerprint(labels)})
        if not explained.is_success or not explained.json()["decisions"]:
            lost.append(labels)
    return len(alerts) - len(others), len(others) - len(lost), lost


async def metrics(core: httpx.AsyncClient) -> Mapping[str, float]:
    """Core's own, by name; of those with labels the last."""
    text = (await core.get("/metrics")).raise_for_status().text
    return {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}


async def until_said(core: httpx.AsyncClient, limit_s: float) -> tuple[float, float, float]:
    """Wait until the outbox is empty: how long that took, what was left, and the longest wait that was seen."""
    began, oldest_s, depth = time.monotonic(), 0.0, 0.0
    while time.monotonic() - began < limit_s:
        now = await metrics(core)
        depth = now["opsbot_outbox_depth"]
        oldest_s = max(oldest_s, now["opsbot_outbox_oldest_age_seconds"])
        if not depth:
            break
        await asyncio.sleep(0.5)
    return time.monotonic() - began, depth, oldest_s


def settings(folder: Path, ports: Mapping[str, int]) -> Path:
    """An opsbot.yaml without runbooks."""
    (folder / "runbooks").mkdir()
    content = {
        "version": 1,
        "data_dir": str(folder / "data"),
        "runbooks": [str(folder / "runbooks")],
        "serving": [{"cluster": "bench", "url": "http://127.0.0.1:9"}],
        "core": {"port": ports["core"]},
        "watch": {"port": ports["watch"]},
        "workspace": {"port": ports["workspace"]},
    }
    path = folder / "opsbot.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


async def run(count: int, over_s: float, said_limit_s: float, seed: int) -> bool:
    """The storm and its end; answers whether nothing was lost and nothing said too fast."""
    alerts = storm(count, seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = {name: free_port() for name in ("core", "watch", "workspace")}
        config = settings(folder, ports)
        forwarding = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30.0))
        proxy = CountingProxy(f"http://127.0.0.1:{ports['workspace']}/api/", forwarding)
        proxy_url = await stack.enter_async_context(served(proxy.app))
        secrets = {
            "OPSBOT_API_TOKEN": TOKEN,
            "SERVING_CONTROL_TOKEN": TOKEN,
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "SLACK_APP_TOKEN": "xapp-bench",
            "OPSBOT_WORKSPACE_PAGE_TOKEN": "bench",
            "SLACK_API_URL": f"{proxy_url}/api/",
        }
        for role in ("workspace", "core"):
            command = (sys.executable, "-m", "opsbot", role, "--config", str(config))
            started = await stack.enter_async_context(process(folder, role, *command, **secrets))
            path = "/health" if role == "workspace" else "/readyz"
            await until_ready(f"http://127.0.0.1:{ports[role]}{path}", started, folder / f"{role}.log")
        core = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{ports['core']}", headers=HEADERS, trust_env=False, timeout=30.0
            )
        )
        began = time.monotonic()
        took = await post_all(core, alerts, "firing", over_s, seed)
        firing, explained, lost = await found_again(core, alerts)
        num_incidents = round((await metrics(core))["opsbot_incidents_opened_total"])
        said_s, left, oldest_s = await until_said(core, said_limit_s)
        lasted_s = time.monotonic() - began
        kept_to_budget = report_calls(proxy, began, lasted_s, num_incidents)
        await post_all(core, alerts, "resolved", over_s, seed)
        still = (await core.get("/api/v1/alerts")).raise_for_status().json()["alerts"]
    click.echo(f"\nincidents            {num_incidents} of {count} alerts")
    p95_s = sorted(took)[int(0.95 * (len(took) - 1))]
    click.echo(
        f"alert door           {len(took)} posts, median {statistics.median(took) * 1e3:.0f} ms, p95 {p95_s * 1e3:.0f}"
    )
    click.echo(f"accounted for        {firing} fire, {explained} explained, {len(lost)} lost")
    told = "all was said" if not left else f"{left:.0f} messages still wait"
    click.echo(f"outbox               {told} {said_s:.0f} s after the storm; the oldest waited {oldest_s:.0f} s")
    click.echo(f"after all resolved   {len(still)} alerts still fire by core's account")
    return not lost and not still and kept_to_budget


def report_calls(proxy: CountingProxy, began: float, lasted_s: float, num_incidents: int) -> bool:
    """Print what was called, and against what was allowed; answers whether it kept to that."""
    counts = Counter(name for at, name in proxy.calls if at >= began)
    is_kept = True
    click.echo("| method | calls | most in a second | allowed in that time |")
    click.echo("| --- | --- | --- | --- |")
    for method, calls in sorted(counts.items()):
        most = max(Counter(int(at) for at in proxy.of(method, began) if at >= 0).values())
        allowed = ""
        if method in ALLOWED:
            per_s, burst = ALLOWED[method]
            limit = burst + lasted_s * per_s
            pages = num_incidents if method == "chat.postMessage" else 0
            allowed = f"{limit:.0f}" + (f" and {pages} first messages" if pages else "")
            is_kept = is_kept and calls <= limit + pages + 1
        click.echo(f"| {method} | {calls} | {most} | {allowed} |")
    total = sum(counts.values())
    click.echo(f"| all | {total} in {lasted_s:.0f} s | | |")
    return is_kept


@click.command()
@click.option("--alerts", "count", type=click.IntRange(1), default=300, show_default=True)
@click.option("--over", "over_s", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds.")
@click.option("--said-limit", "limit_s", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(count: int, over_s: float, limit_s: float, seed: int) -> None:
    """Raise the storm."""
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    click.echo(f"storm     {count} alerts in {over_s:g} s, one to five in a post; seed {seed}\n")
    if not asyncio.run(run(count, over_s, limit_s, seed)):
        raise click.ClickException("something was lost, still fires, or was said too fast")


if __name__ == "__main__":
    main()
