"""`opsbot status`: what each cluster does now, asked of the metrics source and the control APIs themselves, so that it
answers while core does not.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from opsbot.capacity_command import metrics_source
from opsbot.clock import SystemClock, to_rfc3339
from opsbot.command_options import CONFIG_OPTION
from opsbot.config import Settings, load_settings
from opsbot.control_settings import control_client
from opsbot.vitals.vitals import Fleet, Vitals

DEADLINE_S = 5.0
"""A person at a terminal waits longer than a page."""
LEAST_WIDTH = 125
"""Columns; a narrower table would cut numbers."""


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
@click.pass_context
def status(context: click.Context, is_json: bool, config_path: Path) -> None:
    """Show what each cluster does now: batch, KV cache, queue, first token, load, what holds it, and leases."""
    fleet, before = asyncio.run(_ask(load_settings(config_path)))
    if is_json:
        click.echo(json.dumps(fleet_json(fleet), indent=2, allow_nan=False))
    else:
        print_fleet(fleet, before)
    if fleet.missing:
        for why in fleet.missing:
            click.echo(f"not known: {why}", err=True)
        context.exit(1)


async def _ask(settings: Settings) -> tuple[Fleet, Fleet]:
    from opsbot.vitals_wiring import vitals_reader

    control = control_client(settings, os.environ)
    try:
        source = metrics_source(settings)
        reader = vitals_reader(settings, source, control, SystemClock(), deadline_s=DEADLINE_S)
        fleet, before = await asyncio.gather(reader.fleet(), reader.before())
        return fleet, before
    finally:
        await control.close()


def print_fleet(fleet: Fleet, before: Fleet) -> None:
    """A table, what needs eyes first on top, and the leases below it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from opsbot.vitals import text
    from opsbot.vitals.reading import ARROWS

    console = Console(width=max(LEAST_WIDTH, Console().width))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cluster", no_wrap=True)
    for name in ("batch", "KV", "waiting", "first token", "tok/min", "used"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("held by", no_wrap=True)
    for one in text.worst_first(list(fleet.clusters.values())):
        trend = text.kv_trend(one, before.clusters.get(one.cluster))
        kv = f"{text.kv_text(one)} {ARROWS[trend]}" if trend else text.kv_text(one)
        cells = (
            one.cluster, text.batch_text(one), kv, text.waiting_text(one), text.ttft_text(one),
            text.tokens_text(one), text.used_text(one), text.held_text(one),
        )  # fmt: skip
        table.add_row(*(Text(cell, style=_style(one)) for cell in cells))
    console.print(table)
    of_clusters = {one.cluster: one.leases for one in fleet.clusters.values()}
    lines = [
        f"{place}: {text.lease_text(lease, fleet.at)}"
        for place, leases in {**of_clusters, "the fleet": fleet.leases}.items()
        for lease in leases or ()
    ]
    for line in lines:
        console.print(Text(f"lease on {line}"))
    console.print(Text(f"as of {to_rfc3339(round(fleet.at))}; first token: 95 of 100 come within; – is not known"))


def _style(one: Vitals) -> str:
    if one.sight != "up":
        return "bold"
    return "yellow" if max(one.used_ratio or 0.0, one.kv_ratio or 0.0) >= 0.85 else ""


def fleet_json(fleet: Fleet) -> dict[str, Any]:
    """The same for programs; null is not known."""
    rows = []
    for one in fleet.clusters.values():
        leases = None if one.leases is None else [asdict(lease) for lease in one.leases]
        rows.append({**asdict(one), "held_by": one.held_by, "models": list(one.models), "leases": leases})
    of_fleet = None if fleet.leases is None else [asdict(lease) for lease in fleet.leases]
    return {"at": to_rfc3339(fleet.at), "clusters": rows, "leases": of_fleet, "missing": list(fleet.missing)}
