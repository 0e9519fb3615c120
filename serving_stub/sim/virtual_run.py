"""A scenario over a fleet in virtual time, shown as a table while it runs and when it is over."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.scenarios import Mark
from serving_stub.fleet.spec import FleetEvent, FleetSpec
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.parts import run_fleet
from serving_stub.sim.report import Summary, summaries


def run_virtual(
    spec: FleetSpec,
    arrivals: Iterable[Arrival],
    events: Iterable[FleetEvent],
    *,
    scenario: str,
    title: str,
    marks: Iterable[Mark] = (),
    duration_s: float,
    seed: int,
    step_overhead_s: float,
    as_json: bool,
) -> None:
    """Serve *arrivals* in virtual time and print what came of it.

    Args:
        events: in place of the file's own.
        title: of the table.
    Raises: SettingError for an event that means nothing in virtual time.
    """
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

        run = run_fleet(spec, arrivals, tuple(events), seed=seed, fixed_s=step_overhead_s, told=told)
    took_s = time.perf_counter() - began
    rows = summaries(spec, run, duration_s)
    if as_json:
        click.echo(json.dumps({"fleet": spec.name, "scenario": scenario, "clusters": [asdict(row) for row in rows]}))
        return
    _show(spec, rows, title)
    for mark in marks:
        click.echo(f"{mark.at_s:7.1f} s  {mark.text}")
    click.echo(f"simulated in {took_s:.1f} s, {sum(one.num_steps for one in run.tallies.values()):,} steps")


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
