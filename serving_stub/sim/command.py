"""`python -m serving_stub fleet FILE`: a scenario over a fleet in virtual time."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from serving_stub.errors import ServingError
from serving_stub.fleet.lengths import CONVERSATION
from serving_stub.fleet.scenarios import FLEET_SCENARIOS, FleetLoad, arrivals, events, marks
from serving_stub.fleet.spec import LAUNCH_DAY, FleetSpec, load_fleet

if TYPE_CHECKING:
    from serving_stub.sim.outcome import Outcome
    from serving_stub.sim.report import Summary

_WRONG_SETTING = 2


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=LAUNCH_DAY)
@click.option("--scenario", type=click.Choice(sorted(FLEET_SCENARIOS)), default="launch_day", show_default=True)
@click.option("--duration", "duration_s", type=click.FloatRange(1), default=120.0, show_default=True, help="Seconds.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests/s [default: what the roof allows].")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--step-overhead-ms", type=click.FloatRange(0), default=2.0, show_default=True, help="Beyond the roof.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def fleet(
    file: Path, scenario: str, duration_s: float, rate: float | None, seed: int, step_overhead_ms: float, as_json: bool
) -> None:
    """Run a scenario over the fleet in FILE, in virtual time [default: the shipped one of 24 clusters].

    Every cluster has the real scheduler and block manager; steps last as long as the roofline says.
    """
    # Here and not above: it brings torch, which other commands need not wait for.
    from serving_stub.sim.fleet import VirtualFleet
    from serving_stub.sim.report import summaries

    try:
        spec = load_fleet(file)
        load = _load(spec, rate, duration_s, seed)
        chosen = FLEET_SCENARIOS[scenario]
        happening = (*spec.events, *events(chosen, load, spec))
        running = VirtualFleet(spec, events=happening, seed=seed, fixed_s=step_overhead_ms / 1000)
    except ServingError as error:
        click.echo(f"serving_stub: {error}", err=True)
        sys.exit(_WRONG_SETTING)
    began = time.perf_counter()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=as_json or not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(f"{duration_s:g} virtual seconds", total=duration_s)

        def told(outcome: Outcome) -> None:
            progress.update(task, completed=outcome.arrival.at_s)

        outcomes = running.run(arrivals(chosen, load), told)
    took_s = time.perf_counter() - began
    rows = summaries(running, outcomes, duration_s)
    if as_json:
        click.echo(json.dumps({"fleet": spec.name, "scenario": scenario, "clusters": [asdict(row) for row in rows]}))
        return
    _show(spec, rows, f"{scenario}, {load.rate:.0f} requests/s at the plan's 1, {duration_s:g} s, seed {seed}")
    for mark in marks(chosen, load):
        click.echo(f"{mark.at_s:7.1f} s  {mark.text}")
    click.echo(f"simulated in {took_s:.1f} s, {sum(one.num_steps for one in running.clusters.values()):,} steps")


def _load(spec: FleetSpec, rate: float | None, duration_s: float, seed: int) -> FleetLoad:
    share = dict.fromkeys(spec.models, 0.0)
    for cluster in spec.clusters:
        share[cluster.model.name] += cluster.requests_per_s(*CONVERSATION.means)
    longest = min(cluster.sizes.max_model_len for cluster in spec.clusters)
    return FleetLoad(rate or sum(share.values()), duration_s, seed, share, longest=longest, day_s=duration_s)


def _show(spec: FleetSpec, rows: list[Summary], title: str) -> None:
    table = Table(title=f"{spec.name}: {title}", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("cluster", "region", "GPUs"):
        table.add_column(name, no_wrap=True)
    for name in (
        *("requests", "tokens/s", "TTFT\np50", "TTFT\np95", "between\ntokens", "KV\npeak", "queue\npeak"),
        *("came by\nspill-over", "not\nserved"),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        is_all = row is rows[-1]
        if is_all:
            table.add_section()
        p50, p95 = row.ttft_s or (None, None)
        table.add_row(
            *(row.name, row.region, row.gpu, f"{row.num_requests:,}", f"{row.tokens_per_s:,.0f}"),
            *(_seconds(p50), _seconds(p95), _seconds(row.inter_token_s)),
            *(f"{row.peak_kv_usage:.0%}", f"{row.peak_waiting:,}"),
            *(_share(row.num_requests - row.by_way["home"], row.num_requests), f"{sum(row.refused.values()):,}"),
            style="bold" if is_all else None,
        )
    Console(width=max(130, Console().width)).print(table)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
