"""`opsbot demo` and `opsbot demo-fleet`."""

from __future__ import annotations

import asyncio
import logging
import sys

import click


@click.command()
@click.option(
    "--headless", is_flag=True, help="Nobody watches: approve by itself, end by itself, exit 0 only if all was seen."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8065, show_default=True, help="Port of the page.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the traffic.")
@click.option(
    "--keep", is_flag=True, help="Leave everything running at the end until Ctrl-C (default when not headless)."
)
def demo(headless: bool, port: int, seed: int, keep: bool) -> None:
    """Run the whole loop on a real model: overload, incident, runbook, recovery, and everything put back."""
    from opsbot.demo.story import DemoOptions, run_demo

    logging.getLogger("httpx").setLevel(logging.WARNING)
    options = DemoOptions(is_headless=headless, port=port, seed=seed, is_kept=keep or not headless)
    sys.exit(asyncio.run(run_demo(options)))


@click.command()
@click.option("--headless", is_flag=True, help="Nobody watches: end by itself, exit 0 only if all was seen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8100, show_default=True, help="Port of the fleet.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the load.")
def demo_fleet(headless: bool, port: int, seed: int) -> None:
    """Run a launch day over 24 simulated clusters: drains and limits, a lost region, capacity in tables and charts."""
    from opsbot.demo.fleet_story import FleetDemoOptions, run_fleet_demo

    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.exit(asyncio.run(run_fleet_demo(FleetDemoOptions(is_kept=not headless, port=port, seed=seed))))
