"""`python -m serving_stub traffic`: put load on a server, one JSON line a second on standard output."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import click
import httpx
from pydantic import BaseModel

from serving_stub.errors import TrafficError
from serving_stub.traffic.client import TIMEOUT, TrafficClient, error_line
from serving_stub.traffic.report import Summary
from serving_stub.traffic.run import RunOptions, run_traffic
from serving_stub.traffic.scenarios import SCENARIOS


@click.command()
@click.option("--url", required=True, help="Base URL of the server.")
@click.option("--model", help="Model to ask for [default: the first that the server lists].")
@click.option("--scenario", type=click.Choice(sorted(SCENARIOS)), default="steady", show_default=True)
@click.option(
    "--rate", type=click.FloatRange(0.001, 10_000), default=1.0, show_default=True, help="Requests per second."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--duration", type=click.FloatRange(0.1), default=60.0, show_default=True, help="Seconds.")
@click.option("--max-outstanding", type=click.IntRange(1), default=64, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=64, show_default=True, help="Tokens of each answer.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True, help="About so many a prompt.")
@click.option("--drain/--no-drain", default=False, help="When stopped, let outstanding answers come in.")
@click.option("--drain-timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds for that.")
def traffic(
    url: str,
    model: str | None,
    scenario: str,
    rate: float,
    seed: int,
    duration: float,
    max_outstanding: int,
    max_tokens: int,
    prompt_tokens: int,
    drain: bool,
    drain_timeout: float,
) -> None:
    """Put load on a server. SIGTERM or SIGINT ends it, a second one at once."""
    options = RunOptions(
        scenario=SCENARIOS[scenario],
        rate=rate,
        seed=seed,
        duration_s=duration,
        max_outstanding=max_outstanding,
        max_tokens=max_tokens,
        prompt_tokens=prompt_tokens,
        is_drained=drain,
        drain_s=drain_timeout,
    )
    try:
        summary = asyncio.run(_run(url, model, options))
    except TrafficError as error:
        click.echo(error_line(error))
        sys.exit(1)
    if summary is not None:
        _print(summary)


async def _run(url: str, model: str | None, options: RunOptions) -> Summary | None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=options.max_outstanding)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits, trust_env=False) as http:
        client = TrafficClient(http, model, time.monotonic)
        running = asyncio.create_task(run_traffic(client, options, _print, stop, time.monotonic))

        def on_signal() -> None:
            if stop.is_set():
                running.cancel()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        try:
            return await running
        except asyncio.CancelledError:
            return None


def _print(line: BaseModel) -> None:
    click.echo(line.model_dump_json())
