"""What watching costs: the watch role over 24 clusters with 100 rules at 1 s, beside Prometheus on the same targets.

`make bench-watch`: `bench/exporters.py` exposes the server's own metrics on 24 addresses; the watch role runs as in
production, from an opsbot.yaml, and posts to an alert door; Debian's Prometheus, where it is installed, scrapes the
same addresses and evaluates the same rule file. Processor time is from /proc, after a warm-up. With `--warm-up 900`
stores are full before measuring begins, and memory is what it stays. With `--fleet` the targets are the clusters of a
live fleet with full batches, one process on the other core.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.http_cost import spent
from bench.live_fleet import START_S, live_fleet
from bench.live_fleet import clusters as cluster_names
from bench.watch_rules import kinds, write_rules
from opsbot.demo.processes import free_port
from serving_stub.roofline.calibrate import processor
from tests.support.watching import TOKEN, Door, served

START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A process at an instant: processor seconds so far, resident bytes, and what it says of itself."""

    at_s: float
    spent_s: float
    resident: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that watch."""

    name: str
    pid: int
    url: str

    async def read(self, http: httpx.AsyncClient) -> Reading:
        """Look at it."""
        text = (await http.get(f"{self.url}/metrics")).raise_for_status().text
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        cost = spent(self.pid)
        return Reading(time.monotonic(), cost.main_s + cost.others_s, resident_bytes(self.pid), found)


def resident_bytes(pid: int) -> int:
    """What a process has in memory, from /proc."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


@asynccontextmanager
async def process(
    folder: Path, name: str, *command: str, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process whose output is in *folder*; gone afterwards."""
    with (folder / f"{name}.log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE if name == "exporters" else log,
            stderr=log,
            env={**os.environ, **environment},
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


async def targets(stack: AsyncExitStack, folder: Path, count: int, models: int, seed: int) -> list[str]:
    """Start the exporters; answers their base URLs."""
    command = ["bench/exporters.py", "--targets", count, "--models", models, "--seed", seed]
    started = await stack.enter_async_context(process(folder, "exporters", sys.executable, *map(str, command)))
    assert started.stdout is not None
    lines = [await started.stdout.readline() for _ in range(count)]
    if not all(lines):
        raise click.ClickException(log_text(folder / "exporters.log"))
    return [line.decode().strip() for line in lines]


def fleet_targets(stack: AsyncExitStack, folder: Path, count: int, seed: int, busy_s: float) -> tuple[Side, list[str]]:
    """Start a live fleet that is busy for so long; answers it and its clusters' base URLs."""
    server = stack.enter_context(live_fleet(folder, count, seed, busy_s))
    fleet = Side("the fleet", server.process.pid, server.url)
    return fleet, [f"{server.url}/clusters/{name}" for name in cluster_names(count)]


def told_of_fleet(before: Reading, after: Reading) -> str:
    """Whether a fleet that was scraped meanwhile kept up."""
    share = (after.spent_s - before.spent_s) / (after.at_s - before.at_s)
    name = "serving_fleet_lost_seconds_total"
    return f"the fleet: {share:.1%} of one core, {after.metrics[name] - before.metrics[name]:.1f} s given up"


def log_text(log: Path) -> str:
    """What a process wrote."""
    return log.read_text(encoding="utf-8", errors="replace")


def clusters(urls: Sequence[str]) -> dict[str, str]:
    """Names and their addresses."""
    return {f"cluster-{index:02d}": url for index, url in enumerate(urls)}


async def watch_role(stack: AsyncExitStack, folder: Path, urls: Sequence[str], door_url: str) -> Side:
    """Start the watch role."""
    port, core_port = free_port(), int(door_url.rsplit(":", 1)[1])
    settings = {
        "version": 1,
        "data_dir": str(folder / "data"),
        "alert_rules": [str(folder / "policies")],
        "serving": [{"cluster": name, "url": url} for name, url in clusters(urls).items()],
        "core": {"port": core_port},
        "watch": {"port": port},
    }
    config = folder / "opsbot.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = (sys.executable, "-m", "opsbot", "watch", "--config", str(config))
    secrets = {"OPSBOT_API_TOKEN": TOKEN, "SERVING_CONTROL_TOKEN": "bench"}
    started = await stack.enter_async_context(process(folder, "watch", *command, **secrets))
    return await ready(Side("opsbot watch", started.pid, f"http://127.0.0.1:{port}"), started, folder / "watch.log")


async def prometheus(stack: AsyncExitStack, folder: Path, urls: Sequence[str]) -> Side | None:
    """Start Prometheus, if it is installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        return None
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "policies" / "*.yaml")],
        "scrape_configs": [
            {
                "job_name": "serving",
                "static_configs": [
                    {
                        "targets": [urlsplit(url).netloc],
                        "labels": {"cluster": name, "__metrics_path__": f"{urlsplit(url).path}/metrics"},
                    }
                    for name, url in clusters(urls).items()
                ],
            }
        ],
    }
    config, port = folder / "prometheus.yaml", free_port()
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=15m"]
    started = await stack.enter_async_context(process(folder, "prometheus", *command))
    return await ready(Side("Prometheus", started.pid, f"http://127.0.0.1:{port}"), started, folder / "prometheus.log")


async def ready(side: Side, started: asyncio.subprocess.Process, log: Path) -> Side:
    """The side once it answers.

    Raises: ClickException with its log if it does not.
    """
    give_up_at = time.monotonic() + START_LIMIT_S
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                await http.get(f"{side.url}/-/healthy")
            except httpx.HTTPError as error:
                if started.returncode is not None or time.monotonic() > give_up_at:
                    raise click.ClickException(log_text(log)) from error
                await asyncio.sleep(0.1)
            else:
                return side


@dataclass(frozen=True, slots=True)
class Cost:
    """What a side did in a while; shares are of one core, times in seconds of it.

    Args:
        held: samples in memory, where the side says so.
    """

    share: float
    round_s: float
    evaluating: str
    resident: int
    num_series: float
    held: str
    scrapes_per_s: float
    rounds_per_s: float

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        costs = [f"{self.share:.1%}", f"{self.round_s * 1e3:.0f} ms", self.evaluating, f"{self.resident / 1e6:.0f} MB"]
        work = [f"{self.num_series:.0f}", self.held, f"{self.scrapes_per_s:.1f}", f"{self.rounds_per_s:.2f}"]
        return [*costs, *work]


HEADER = ["", "of one core", "a round", "of it evaluating", "RSS", "series", "samples held", "scrapes/s", "rounds/s"]


def cost(before: Reading, after: Reading, num_rules: int) -> Cost:
    """What happened between two readings of a side."""
    seconds, now = after.at_s - before.at_s, after.metrics

    def since(name: str) -> float:
        return now.get(name, 0.0) - before.metrics.get(name, 0.0)

    spent_s = after.spent_s - before.spent_s
    is_ours = "opsbot_watch_series" in now
    if is_ours:
        scrapes, rounds = since("opsbot_watch_scrapes_total"), since("opsbot_watch_evaluations_total") / num_rules
        series, held = now["opsbot_watch_series"], f"{now.get('opsbot_watch_samples', 0.0) / 1e6:.1f} million"
    else:
        scrapes = since("prometheus_target_interval_length_seconds_count")
        rounds = since("prometheus_rule_evaluations_total") / num_rules
        series, held = now["prometheus_tsdb_head_series"], ""
    evaluating_s = since("opsbot_watch_evaluation_cpu_seconds_total")
    return Cost(
        share=spent_s / seconds,
        round_s=spent_s / max(rounds, 1e-9),
        evaluating=f"{evaluating_s / spent_s:.0%}" if evaluating_s else "",
        resident=after.resident,
        num_series=series,
        held=held,
        scrapes_per_s=scrapes / seconds,
        rounds_per_s=rounds / seconds,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    num_targets: int
    num_models: int
    warm_up_s: float
    duration_s: float
    seed: int
    with_peer: bool
    with_fleet: bool


async def run(plan: Plan) -> None:
    """Start everything, wait, and print what it cost."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "policies").mkdir()
        num_rules = write_rules(folder / "policies" / "rules.yaml", plan.seed)
        door_url = await stack.enter_async_context(served(Door().app))
        fleet: Side | None = None
        if plan.with_fleet:
            busy_s = START_S + plan.warm_up_s + plan.duration_s
            fleet, urls = fleet_targets(stack, folder, plan.num_targets, plan.seed, busy_s)
        else:
            urls = await targets(stack, folder, plan.num_targets, plan.num_models, plan.seed)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60.0))
        lines = (await http.get(f"{urls[0]}/metrics")).text.splitlines()
        num_samples = sum(not line.startswith("#") for line in lines)
        click.echo(f"targets   {plan.num_targets}, each {len(lines)} lines, of which {num_samples} samples\n")
        sides = [await watch_role(stack, folder, urls, door_url)]
        peer = await prometheus(stack, folder, urls) if plan.with_peer else None
        sides += [peer] if peer is not None else []
        seen = [*sides, fleet] if fleet is not None else sides
        await asyncio.sleep(plan.warm_up_s)
        before = [await side.read(http) for side in seen]
        await asyncio.sleep(plan.duration_s)
        after = [await side.read(http) for side in seen]
    costs = [cost(before[n], after[n], num_rules) for n in range(len(sides))]
    rows = [[side.name, *one.cells] for side, one in zip(sides, costs, strict=True)]
    for cells in (HEADER, ["---"] * len(HEADER), *rows):
        click.echo(f"| {' | '.join(cells)} |")
    late = [reading.metrics.get("opsbot_watch_rounds_late_total", 0.0) for reading in (before[0], after[0])]
    click.echo(f"\nrounds of ours that took longer than a second: {late[1] - late[0]:.0f}")
    if fleet is not None:
        click.echo(told_of_fleet(before[-1], after[-1]))
    if len(costs) == 2:
        ours, theirs = costs
        time_ratio, memory_ratio = ours.round_s / theirs.round_s, ours.resident / theirs.resident
        click.echo(f"ours / Prometheus: processor time a round {time_ratio:.2f}, memory {memory_ratio:.2f}")


@click.command()
@click.option("--targets", "num_targets", type=click.IntRange(1), default=24, show_default=True)
@click.option(
    "--models", "num_models", type=click.IntRange(1), default=2, show_default=True, help="Behind each target."
)
@click.option("--warm-up", "warm_up_s", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds.")
@click.option("--duration", "duration_s", type=click.FloatRange(1), default=180.0, show_default=True, help="Seconds.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--peer/--no-peer", "with_peer", default=True, show_default=True, help="Prometheus beside it.")
@click.option("--fleet", "with_fleet", is_flag=True, help="Targets are a live fleet's clusters, of one model each.")
def main(
    num_targets: int,
    num_models: int,
    warm_up_s: float,
    duration_s: float,
    seed: int,
    *,
    with_peer: bool,
    with_fleet: bool,
) -> None:
    """Measure the watch role."""
    plan = Plan(num_targets, num_models, warm_up_s, duration_s, seed, with_peer, with_fleet)
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    click.echo(f"rules     {kinds()}; seed {seed}")
    click.echo(f"measured  {duration_s:g} s after {warm_up_s:g} s")
    asyncio.run(run(plan))


if __name__ == "__main__":
    main()
