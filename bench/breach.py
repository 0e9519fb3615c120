"""From a breach to the first action, beside Prometheus and Alertmanager up to their webhook.

`python -m bench.breach`: a gauge jumps over a threshold at a random moment. (A) opsbot, its roles as processes: watch
scrapes and evaluates, core opens the incident and starts the runbook, whose first change is a call of the target's
control API; its arrival there ends the clock. (B) Debian's Prometheus (1 s scrape, 1 s evaluation) and Alertmanager
(`group_wait: 0s`): the arrival of the webhook ends the clock, and nothing has been done about the breach by then. Both
watch the same target in the same run, in turns. Everything is started anew for each block, since how a server's scrapes
and evaluations lie to each other is drawn at its start.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx

from bench.breach_target import Target
from bench.watch import Side, log_text, process, ready
from opsbot.demo.processes import free_port
from serving_stub.roofline.calibrate import processor
from tests.support.watching import served

LIMIT_S = 30.0
SETTLE_S = 1.5
"""After a side has seen the end of a breach, before the next one."""
AIMS = {"median": 0.65, "p95": 0.75}
TOKEN = "bench-token"  # noqa: S105  (of this run's own processes)

RUNBOOK = """
version: 1
id: breach
name: Act on the breach
owner: bench
mode: auto
triggers:
  - {type: alert, match: {alertname: Breach}}
steps:
  - id: act
    name: Lower the batch
    uses: serving.set_batch
    with: {limit: 8}
    lease: 60s
on_resolve: release
"""


def rules(side: str) -> str:
    """The rule file of a side; JSON is YAML."""
    rule = {
        "alert": "Breach",
        "expr": f'bench_level{{side="{side}"}} > 0.5',
        "for": "0s",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "the level is too high"},
    }
    return json.dumps({"groups": [{"name": "bench", "rules": [rule]}]})


async def start_opsbot(stack: AsyncExitStack, folder: Path, target_url: str) -> None:
    """Core, watch and a workspace, as `opsbot up` starts them."""
    ports = {name: free_port() for name in ("core", "watch", "events", "workspace")}
    for name, text in (("runbooks", RUNBOOK), ("rules", rules("ours"))):
        (folder / name).mkdir()
        (folder / name / "one.yaml").write_text(text, encoding="utf-8")
    settings = {
        "version": 1,
        "data_dir": str(folder / "data"),
        "runbooks": [str(folder / "runbooks")],
        "alert_rules": [str(folder / "rules")],
        "serving": [{"cluster": "bench", "url": target_url}],
        # The same alert comes again and again here, which would otherwise hold its incident open.
        "alerting": {"flapping": {"count": 1_000_000}},
        **{name: {"port": port} for name, port in ports.items()},
    }
    config = folder / "opsbot.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    secrets = {
        "OPSBOT_API_TOKEN": TOKEN,
        "SERVING_CONTROL_TOKEN": TOKEN,
        "SLACK_BOT_TOKEN": "xoxb-bench",
        "SLACK_APP_TOKEN": "xapp-bench",
        "OPSBOT_WORKSPACE_PAGE_TOKEN": "bench",
        "SLACK_API_URL": f"http://127.0.0.1:{ports['workspace']}/api/",
    }
    for role in ("workspace", "core", "watch"):
        command = (sys.executable, "-m", "opsbot", role, "--config", str(config))
        started = await stack.enter_async_context(process(folder, role, *command, **secrets))
        path = "/health" if role == "workspace" else "/readyz"
        await until_ready(f"http://127.0.0.1:{ports[role]}{path}", started, folder / f"{role}.log")


async def start_peers(stack: AsyncExitStack, folder: Path, target_url: str, alertmanager: str) -> None:
    """Prometheus and Alertmanager."""
    port, mesh_port, prometheus_port = free_port(), free_port(), free_port()
    route = {"receiver": "bench", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    hook = {"url": f"{target_url}/webhook", "send_resolved": True}
    settings = {"route": route, "receivers": [{"name": "bench", "webhook_configs": [hook]}]}
    (folder / "alertmanager.yaml").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "peer-rules.yaml").write_text(rules("peers"), encoding="utf-8")
    command = [alertmanager, f"--config.file={folder / 'alertmanager.yaml'}", f"--storage.path={folder / 'am'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--cluster.listen-address=127.0.0.1:{mesh_port}"]
    started = await stack.enter_async_context(process(folder, "alertmanager", *command))
    await ready(Side("Alertmanager", started.pid, f"http://127.0.0.1:{port}"), started, folder / "alertmanager.log")
    scrape = {"job_name": "bench", "static_configs": [{"targets": [urlsplit(target_url).netloc]}]}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "peer-rules.yaml")],
        "scrape_configs": [scrape],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")
    binary = shutil.which("prometheus")
    if binary is None:
        raise click.ClickException("Prometheus is not installed: on Debian, apt-get install prometheus")
    command = [binary, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command.append(f"--web.listen-address=127.0.0.1:{prometheus_port}")
    started = await stack.enter_async_context(process(folder, "prometheus", *command))
    url = f"http://127.0.0.1:{prometheus_port}"
    await ready(Side("Prometheus", started.pid, url), started, folder / "prometheus.log")


async def until_ready(url: str, started: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for success.

    Raises: ClickException with the process's log if it does not come.
    """
    give_up_at = time.monotonic() + LIMIT_S
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                if (await http.get(url)).is_success:
                    return
            except httpx.HTTPError:
                pass
            if started.returncode is not None or time.monotonic() > give_up_at:
                raise click.ClickException(f"{url} does not answer\n{log_text(log)[-3000:]}")
            await asyncio.sleep(0.05)


async def arrival(target: Target, where: list[float], num_before: int, what: str) -> float:
    """When the next one came.

    Raises: ClickException if none does.
    """
    give_up_at = time.monotonic() + LIMIT_S
    while len(where) == num_before:
        target.changed.clear()
        left_s = give_up_at - time.monotonic()
        if left_s <= 0:
            raise click.ClickException(f"{what} did not come within {LIMIT_S:.0f} s")
        try:
            await asyncio.wait_for(target.changed.wait(), left_s)
        except TimeoutError:
            continue
    return where[num_before]


async def breach(target: Target, side: str, rng: random.Random) -> float:
    """One breach of a side's gauge, from the jump to what ends the clock, in seconds; then its end."""
    begun, over = (target.acted, target.ended) if side == "ours" else (target.told, target.cleared)
    await asyncio.sleep(rng.random())
    num_begun, num_over = len(begun), len(over)
    jumped = time.monotonic()
    target.levels[side] = 1.0
    took_s = await arrival(target, begun, num_begun, f"the first action of {side}") - jumped
    target.levels[side] = 0.0
    await arrival(target, over, num_over, f"the end of {side}")
    await asyncio.sleep(SETTLE_S)
    return took_s


async def block(rounds: int, rng: random.Random, alertmanager: str) -> dict[str, list[float]]:
    """Start everything, and let both sides see so many breaches in turns."""
    found: dict[str, list[float]] = {"ours": [], "peers": []}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target = Target()
        url = await stack.enter_async_context(served(target.app))
        await start_opsbot(stack, folder, url)
        await start_peers(stack, folder, url, alertmanager)
        await asyncio.sleep(5.0)
        for _ in range(rounds):
            for side, times in found.items():
                times.append(await breach(target, side, rng))
    return found


def p95(values: list[float]) -> float:
    """The nearest rank."""
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def report(found: dict[str, list[float]]) -> None:
    """Print both sides and their ratios."""
    click.echo("| | rounds | median | p95 | least | most |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    names = {"ours": "opsbot: jump to the control call", "peers": "Prometheus, Alertmanager: jump to the webhook"}
    for side, times in found.items():
        cells = [statistics.median(times), p95(times), min(times), max(times)]
        click.echo(f"| {names[side]} | {len(times)} | {' | '.join(f'{cell:.2f} s' for cell in cells)} |")
    ratios = {
        "median": statistics.median(found["ours"]) / statistics.median(found["peers"]),
        "p95": p95(found["ours"]) / p95(found["peers"]),
    }
    shown = ", ".join(f"{name} {ratio:.2f} (aim: {AIMS[name]})" for name, ratio in ratios.items())
    click.echo(f"\nours / theirs: {shown}")


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True, help="Of each side in a block.")
@click.option("--blocks", type=click.IntRange(1), default=3, show_default=True, help="All processes anew for each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the moments of the breaches.")
@click.option("--alertmanager", default=None, help="The program; Debian's prometheus-alertmanager unless stated.")
def main(rounds: int, blocks: int, seed: int, alertmanager: str | None) -> None:
    """Measure both sides."""
    binary = alertmanager or shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        raise click.ClickException(
            "Alertmanager is not installed: on Debian, apt-get install prometheus-alertmanager; or --alertmanager PATH"
        )
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    click.echo(f"breaches  {blocks} blocks of {rounds} for each side, in turns; seed {seed}\n")
    rng = random.Random(seed)
    found: dict[str, list[float]] = {"ours": [], "peers": []}
    for _ in range(blocks):
        for side, times in asyncio.run(block(rounds, rng, binary)).items():
            found[side] += times
    report(found)


if __name__ == "__main__":
    main()
