"""Whether 24 simulated clusters of 64 sequences each keep up with real time on one core.

`make bench-fleet-live` starts `python -m serving_stub fleet` on one core, fills every batch, and compares how long
decode steps take with what the roofline says for such a batch. Processor time is from /proc.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from bench.http_cost import Spent, spent
from bench.live_fleet import (
    ANSWER_TOKENS,
    GPU,
    MODEL,
    NUM_GPUS,
    NUM_SEQS,
    PROMPT_TOKENS,
    START_S,
    live_fleet,
    num_running,
)
from bench.server import scrape
from serving_stub.fleet.cluster_spec import ClusterSpec
from serving_stub.fleet.spec import load_fleet
from serving_stub.roofline.calibrate import processor
from tests.support.fleet_server import FleetServer

STEP_OVERHEAD_S = 0.002
"""The command's own default."""
FILL_LIMIT_S = 120.0
PROBE_S = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """One cluster's /metrics."""

    at_s: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Kept:
    """How one cluster did between two readings.

    Args:
        step_s: mean time between a sequence's tokens.
        roof_s: what the roofline and the overhead say for the mean step, whose operations and bytes are counted
            from its shapes.
    """

    tokens_per_s: float
    batch: float
    step_s: float
    roof_s: float


def kept(cluster: ClusterSpec, before: Reading, after: Reading) -> Kept:
    """What happened between two readings of a cluster."""

    def since(name: str) -> float:
        return after.metrics[name] - before.metrics[name]

    steps = since("vllm:iteration_tokens_total_count")
    flops = since("vllm:estimated_flops_per_gpu_total")
    num_bytes = since("vllm:estimated_read_bytes_per_gpu_total") + since("vllm:estimated_write_bytes_per_gpu_total")
    gaps = since("vllm:inter_token_latency_seconds_count")
    return Kept(
        tokens_per_s=since("vllm:generation_tokens_total") / (after.at_s - before.at_s),
        batch=since("vllm:generation_tokens_total") / steps,
        step_s=since("vllm:inter_token_latency_seconds_sum") / gaps,
        roof_s=cluster.sizes.device.step_s(flops / steps, num_bytes / steps) + STEP_OVERHEAD_S,
    )


async def read(url: str, clusters: Sequence[ClusterSpec]) -> list[Reading]:
    """Every cluster's /metrics, one after the other."""
    found = []
    for cluster in clusters:
        async with httpx.AsyncClient(base_url=f"{url}/clusters/{cluster.name}", trust_env=False, timeout=60.0) as http:
            metrics = await scrape(http)
        found.append(Reading(time.monotonic(), metrics))
    return found


async def until_full(server: FleetServer, num_places: int) -> None:
    """Wait until (nearly) every place is taken.

    Raises: ClickException if that does not come about.
    """
    give_up_at = time.monotonic() + FILL_LIMIT_S
    while (running := await asyncio.to_thread(num_running, server)) < 0.99 * num_places:
        if time.monotonic() > give_up_at:
            raise click.ClickException(
                f"only {running} of {num_places} places were taken:\n" + "\n".join(server.output)
            )
        await asyncio.sleep(1.0)


async def probe(
    http: httpx.AsyncClient, clusters: Sequence[ClusterSpec], seconds: float, seed: int
) -> dict[str, list[float]]:
    """How long an observer waits, who asks for the health and for one cluster's metrics twice a second."""
    rng, ends_at = random.Random(seed), time.monotonic() + seconds
    waited: dict[str, list[float]] = {"GET /health": [], "GET /clusters/NAME/metrics": []}
    while time.monotonic() < ends_at - PROBE_S:
        paths = ("/health", f"/clusters/{rng.choice(clusters).name}/metrics")
        for name, path in zip(waited, paths, strict=True):
            began = time.perf_counter()
            (await http.get(path)).raise_for_status()
            waited[name].append(time.perf_counter() - began)
        await asyncio.sleep(PROBE_S)
    await asyncio.sleep(max(0.0, ends_at - time.monotonic()))
    return waited


@dataclass(frozen=True, slots=True)
class Measured:
    """A while of the whole fleet.

    Args:
        cost: of the process.
        lost_s: seconds that clusters gave up, all together.
        waited: seconds of each probe, by what it asked for.
    """

    seconds: float
    cost: Spent
    lost_s: float
    clusters: Sequence[Kept]
    waited: Mapping[str, Sequence[float]]


async def measure(server: FleetServer, clusters: Sequence[ClusterSpec], seconds: float, seed: int) -> Measured:
    """Fill the fleet and look at it for so many seconds."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60.0) as http:
        await until_full(server, len(clusters) * NUM_SEQS)
        lost_before = (await scrape(http))["serving_fleet_lost_seconds_total"]
        before = await read(server.url, clusters)
        began, spent_before = time.monotonic(), spent(server.process.pid)
        waited = await probe(http, clusters, seconds, seed)
        took_s, cost = time.monotonic() - began, spent(server.process.pid).since(spent_before)
        after = await read(server.url, clusters)
        lost_s = (await scrape(http))["serving_fleet_lost_seconds_total"] - lost_before
    each = [kept(*one) for one in zip(clusters, before, after, strict=True)]
    return Measured(took_s, cost, lost_s, each, waited)


def show(measured: Measured) -> None:
    """Print the table."""
    ratios = [one.step_s / one.roof_s for one in measured.clusters]
    cost, seconds = measured.cost, measured.seconds
    tokens_per_s = sum(one.tokens_per_s for one in measured.clusters)
    rows = {
        "sequences in all batches, mean": f"{sum(one.batch for one in measured.clusters):,.0f}",
        "of one core": f"{(cost.main_s + cost.others_s) / seconds:.1%}",
        "of it the engines' threads": f"{cost.others_s / (cost.main_s + cost.others_s):.0%}",
        "generated tokens/s, all clusters": f"{tokens_per_s:,.0f}",
        "processor time of a token": f"{(cost.main_s + cost.others_s) / seconds / tokens_per_s * 1e6:.1f} µs",
        "a decode step by the roofline": f"{statistics.mean(one.roof_s for one in measured.clusters) * 1e3:.1f} ms",
        "a decode step as it was": f"{statistics.mean(one.step_s for one in measured.clusters) * 1e3:.1f} ms",
        "real / roofline, mean": f"{statistics.mean(ratios):.3f}",
        "real / roofline, least and most of a cluster": f"{min(ratios):.3f} to {max(ratios):.3f}",
        "seconds given up, all clusters": f"{measured.lost_s:.1f}",
    }
    for name, waited in measured.waited.items():
        rows[f"{name}, median and most"] = f"{statistics.median(waited) * 1e3:.1f}, {max(waited) * 1e3:.1f} ms"
    click.echo("|  |  |\n| --- | --- |")
    for name, value in rows.items():
        click.echo(f"| {name} | {value} |")


@click.command()
@click.option("--clusters", "num_clusters", type=click.IntRange(1), default=24, show_default=True)
@click.option("--duration", "duration_s", type=click.FloatRange(2), default=30.0, show_default=True, help="Seconds.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(num_clusters: int, duration_s: float, seed: int) -> None:
    """Measure a live fleet with full batches."""
    click.echo(
        f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}; the fleet has one of them"
    )
    click.echo(f"fleet     {num_clusters} clusters of {NUM_GPUS} × {GPU} with {MODEL}, {NUM_SEQS} sequences each")
    click.echo(
        f"mix       prompts of {PROMPT_TOKENS[0]} to {PROMPT_TOKENS[1]} tokens, answers of {ANSWER_TOKENS[0]} to "
        f"{ANSWER_TOKENS[1]}, more wait; seed {seed}"
    )
    click.echo(f"measured  {duration_s:g} s with full batches\n")
    busy_s = START_S + duration_s
    with tempfile.TemporaryDirectory() as name, live_fleet(Path(name), num_clusters, seed, busy_s) as server:
        clusters = load_fleet(Path(name) / "fleet.yaml").clusters
        show(asyncio.run(measure(server, clusters, duration_s, seed)))


if __name__ == "__main__":
    main()
