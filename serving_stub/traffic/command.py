"""`python -m serving_stub traffic`: put load on a server and say how it bore it.

A person at a terminal sees a panel; a program, or `--json`, gets one JSON line a second and the summary as the last.
"""

from __future__ import annotations

import asyncio
import heapq
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from pydantic import BaseModel, SecretStr
from rich.console import Console

from serving_stub.errors import ServingError, TrafficError
from serving_stub.traffic.abuse.background import invented_keys, ordinary_people
from serving_stub.traffic.abuse.cast import DAY_S
from serving_stub.traffic.abuse.command import events_command, shapes, tenants
from serving_stub.traffic.abuse.live import arrivals_of
from serving_stub.traffic.abuse.shapes import SHAPES, plan_of
from serving_stub.traffic.account_feed import AccountFeed, SignUp
from serving_stub.traffic.ask import Ask
from serving_stub.traffic.choice import Named
from serving_stub.traffic.client import TIMEOUT, PromptSize, TrafficClient, error_line
from serving_stub.traffic.live import LiveView
from serving_stub.traffic.persona import KeyFile, Population
from serving_stub.traffic.report import Summary
from serving_stub.traffic.retry import IMPATIENT, NEVER, WELL_BEHAVED, Retry
from serving_stub.traffic.run import Plan, RunOptions, run_traffic
from serving_stub.traffic.scenarios import SCENARIOS, Load, asks
from serving_stub.traffic.tally import Slo, Tally
from serving_stub.traffic.wire import ProxyHeaders
from serving_stub.yamlfile import load

RETRIES = {"never": NEVER, "impatient": IMPATIENT, "well-behaved": WELL_BEHAVED}
TEMPLATE_ROOM = 16
"""Tokens left free beside the longest prompt, since a prompt's length is only about known."""


@dataclass(frozen=True, slots=True)
class _Setup:
    """What a run needs beside its options."""

    url: str
    model: str | None
    retry: Retry
    proxy: ProxyHeaders
    feed_token: SecretStr | None
    slo: Slo
    is_watched: bool
    is_natural: bool
    has_shapes: bool


@click.group(invoke_without_command=True)
@click.option("--url", help="Base URL of the server; needed for a run.")
@click.option("--model", help="Model to ask for [default: the first that the server lists].")
@click.option(
    "--scenario",
    type=Named("scenario", SCENARIOS),
    default="steady",
    show_default=True,
    help="; ".join(f"{one.name}: {one.help}" for one in SCENARIOS.values()) + ".",
)
@click.option(
    "--rate", type=click.FloatRange(0.001, 10_000), default=1.0, show_default=True, help="Requests per second."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--duration", type=click.FloatRange(0.1), default=60.0, show_default=True, help="Seconds.")
@click.option(
    "--day-s",
    type=click.FloatRange(1),
    help="Seconds that a day of the plan takes [default: a whole day for shapes, the duration for diurnal].",
)
@click.option("--max-outstanding", type=click.IntRange(1), default=64, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=64, show_default=True, help="Tokens of each answer.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True, help="About so many a prompt.")
@click.option(
    "--long-prompt-tokens",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Of a very long prompt, as far as the server takes it.",
)
@click.option("--keys", type=click.Path(path_type=Path, dir_okay=False), help="YAML file of API keys and tenants.")
@click.option(
    "--shape",
    "shape_ids",
    type=Named("shape", SHAPES),
    multiple=True,
    help="Abuse or a look-alike to mix in, with keys of its own; may be repeated. `shapes` lists them.",
)
@click.option("--strength", type=click.FloatRange(0.01, 20), default=1.0, show_default=True, help="Of the shapes.")
@click.option("--natural", is_flag=True, help="Bodies as each client sends them, and answers that end by themselves.")
@click.option("--retries", type=Named("way to retry", RETRIES), help="; ".join(RETRIES) + " [default: by scenario].")
@click.option("--slo-ttft", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds, for goodput.")
@click.option("--slo-itl", type=click.FloatRange(0), default=0.2, show_default=True, help="Seconds, for goodput.")
@click.option("--country-header", default="cf-ipcountry", show_default=True, help="Of the trusted proxy; '' for none.")
@click.option("--address-header", default="x-forwarded-for", show_default=True, help="Likewise, for the address.")
@click.option("--asn-header", default="", help="Likewise, for the number of the network [default: none].")
@click.option("--kind-header", default="", help="Likewise, for its kind, such as hosting [default: none].")
@click.option("--feed-token", envvar="TRAFFIC_FEED_TOKEN", help="For POST /events [also: $TRAFFIC_FEED_TOKEN].")
@click.option("--summary", "summary_path", type=click.Path(path_type=Path, dir_okay=False), help="Write it here too.")
@click.option("--json", "is_json", is_flag=True, help="JSON lines even on a terminal.")
@click.option("--drain/--no-drain", default=False, help="When stopped, let outstanding answers come in.")
@click.option("--drain-timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds for that.")
@click.pass_context
def traffic(
    context: click.Context,
    url: str | None,
    model: str | None,
    scenario: str,
    rate: float,
    seed: int,
    duration: float,
    day_s: float | None,
    max_outstanding: int,
    max_tokens: int,
    prompt_tokens: int,
    long_prompt_tokens: int,
    keys: Path | None,
    shape_ids: tuple[str, ...],
    strength: float,
    natural: bool,
    retries: str | None,
    slo_ttft: float,
    slo_itl: float,
    country_header: str,
    address_header: str,
    asn_header: str,
    kind_header: str,
    feed_token: str | None,
    summary_path: Path | None,
    is_json: bool,
    drain: bool,
    drain_timeout: float,
) -> None:
    """Put load on a server. SIGTERM or SIGINT ends it, a second one at once."""
    if context.invoked_subcommand is not None:
        return
    if url is None:
        raise click.UsageError("a run needs --url, such as --url http://127.0.0.1:8000")
    if summary_path is not None and not summary_path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {summary_path.parent}", param_hint="--summary")
    try:
        entries = load(keys, KeyFile).keys if keys is not None else ()
    except ServingError as error:
        click.echo(error, err=True)
        sys.exit(2)
    options = RunOptions(
        name=scenario,
        rate=rate,
        seed=seed,
        duration_s=duration,
        max_outstanding=max_outstanding,
        max_tokens=max_tokens,
        is_drained=drain,
        drain_s=drain_timeout,
        probe_key=next((entry.key for entry in entries or (invented_keys(seed) if shape_ids else ())), None),
    )
    setup = _Setup(
        url=url,
        model=model,
        retry=RETRIES[retries] if retries else (IMPATIENT if scenario == "retry_storm" else NEVER),
        proxy=ProxyHeaders(country_header, address_header, asn_header, kind_header),
        feed_token=SecretStr(feed_token) if feed_token else None,
        slo=Slo(slo_ttft, slo_itl),
        is_watched=sys.stdout.isatty() and not is_json,
        is_natural=natural or bool(shape_ids),
        has_shapes=bool(shape_ids),
    )

    # Shapes bring keys, so the people around them have some too.
    people = ordinary_people(seed) if shape_ids and not entries else Population.of(seed, entries)
    mixed_in = [plan_of(shape_id, seed, strength) for shape_id in shape_ids]

    def plan(size: PromptSize) -> Iterator[Ask | SignUp]:
        longest = long_prompt_tokens
        if size.longest is not None:
            longest = max(1, min(longest, size.longest - max_tokens - TEMPLATE_ROOM))
        amount = Load(
            rate=rate,
            duration_s=duration,
            num_words=size.num_words(prompt_tokens),
            seed=seed,
            num_long_words=size.num_words(longest),
            day_s=day_s or duration,
        )
        streams = [
            asks(SCENARIOS[scenario], amount, people),
            *(arrivals_of(shape, day_s or DAY_S, longest, duration) for shape in mixed_in),
        ]
        return heapq.merge(*streams, key=lambda arrival: arrival.at_s)

    try:
        summary = asyncio.run(_run(setup, plan, options))
    except TrafficError as error:
        click.echo(error_line(error))
        sys.exit(1)
    if summary is None:
        return
    if not setup.is_watched:
        _print(summary)
    if summary_path is not None:
        _write(summary_path, summary)


async def _run(setup: _Setup, plan: Plan, options: RunOptions) -> Summary | None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=options.max_outstanding)
    tally = Tally(slo=setup.slo, unlabelled=options.name if setup.has_shapes else None)
    title = f"{options.name} on {setup.url}"
    view = LiveView(Console(), title, options.duration_s, tally) if setup.is_watched else None
    show = view.show if view is not None else lambda now_s: _print(tally.line(now_s))
    async with httpx.AsyncClient(base_url=setup.url, timeout=TIMEOUT, limits=limits, trust_env=False) as http:
        client = TrafficClient(
            http, setup.model, time.monotonic, retry=setup.retry, proxy=setup.proxy, is_natural=setup.is_natural
        )
        feed = AccountFeed(http, setup.feed_token, time.time)
        with view or nullcontext():
            running = asyncio.create_task(run_traffic(client, feed, plan, options, tally, show, stop, time.monotonic))

            def on_signal() -> None:
                if stop.is_set():
                    running.cancel()
                stop.set()

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, on_signal)
            try:
                summary = await running
            except asyncio.CancelledError:
                return None
            if view is not None:
                view.end(summary)
            return summary


def _print(line: BaseModel) -> None:
    click.echo(line.model_dump_json())


def _write(path: Path, summary: Summary) -> None:
    try:
        path.write_text(summary.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        click.echo(f"{path}: the summary cannot be written: {error.strerror}", err=True)
        sys.exit(1)


for command in (events_command, shapes, tenants):
    traffic.add_command(command)
