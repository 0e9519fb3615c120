"""Two opposite states that both read 100% busy: one user at a time, and more users than the cache can hold.

"Utilization" as it is usually shown is the share of time in which the engine was stepping. It cannot tell a server
that wastes almost all it could do from one that is full; batch, KV usage and arithmetic intensity can.
`python bench/busy.py` takes a minute; `--svg PATH` keeps the picture.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from rich import box
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from bench.server import scrape, serving, until_idle

SVG = re.sub(r"@font-face {{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich's picture without fonts from elsewhere: whoever looks at it asks nobody."""
NUM_BLOCKS = 192
MAX_NUM_SEQS = 32
NUM_CROWD = 48
RAMP_S = 3.0
"""Until the crowd's prompts are in."""


@dataclass(frozen=True, slots=True)
class State:
    """What /metrics said at the end of a while; shares from 0 to 1, tokens a second over the while."""

    busy: float
    running: float
    waiting: float
    kv_usage: float
    intensity: float
    ridge: float
    is_memory_bound: bool
    tokens_per_s: float


async def user(http: httpx.AsyncClient, rng: random.Random, num_tokens: int) -> None:
    """One user after another asks for an answer, for ever."""
    while True:
        prompt = [rng.randrange(3, 250) for _ in range(rng.randrange(32, 64))]
        body = {"prompt": prompt, "max_tokens": num_tokens, "ignore_eos": True}
        (await http.post("/v1/completions", json=body)).raise_for_status()


async def observe(http: httpx.AsyncClient, num_users: int, num_tokens: int, seconds: float, seed: int) -> State:
    """The state after *seconds* of so many users; they are gone afterwards."""
    users = [asyncio.create_task(user(http, random.Random(seed + i), num_tokens)) for i in range(num_users)]
    try:
        await asyncio.sleep(RAMP_S)
        before = await scrape(http)
        await asyncio.sleep(seconds)
        after = await scrape(http)
    finally:
        for task in users:
            task.cancel()
        await asyncio.gather(*users, return_exceptions=True)
    return State(
        busy=after["serving_busy_ratio"],
        running=after["vllm:num_requests_running"],
        waiting=after["vllm:num_requests_waiting"],
        kv_usage=after["vllm:kv_cache_usage_perc"],
        intensity=after["serving_arithmetic_intensity_ops_per_byte"],
        ridge=after["serving_ridge_point_ops_per_byte"],
        is_memory_bound=bool(after["serving_bound:memory"]),
        tokens_per_s=(after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"]) / seconds,
    )


async def run(
    model: str, seconds: float, seed: int, say: Callable[[str], None] = lambda _: None
) -> tuple[State, State]:
    """The starved state, then the saturated one, on one server."""
    arguments = ["--num-blocks", str(NUM_BLOCKS), "--max-num-seqs", str(MAX_NUM_SEQS)]
    async with serving(model, arguments) as served:
        states: list[State] = []
        for name, num_users in (("starved", 1), ("saturated", NUM_CROWD)):
            say(f"{name}: {num_users} at a time for {RAMP_S + seconds:.0f} s")
            states.append(await observe(served.http, num_users, 200, seconds, seed))
            await until_idle(served.http)
        return states[0], states[1]


def picture(model: str, starved: State, saturated: State) -> Table:
    """Both side by side, with a bar for each share."""
    table = Table(
        "",
        *(header for name in ("one user at a time", f"{NUM_CROWD} users") for header in (name, "")),
        title=f"Both are busy. Only one is full. ({model}, batch limit {MAX_NUM_SEQS}, {NUM_BLOCKS} KV blocks)",
        box=box.SIMPLE_HEAD,
    )

    def row(name: str, value: Callable[[State], float], text: Callable[[State], str], style: str) -> None:
        cells = [
            cell for one in (starved, saturated) for cell in (Bar(1, 0, value(one), width=24, color=style), text(one))
        ]
        table.add_row(name, *cells)

    row("busy ratio", lambda s: s.busy, lambda s: f"{s.busy:.0%}", "red")
    row("batch", lambda s: s.running / MAX_NUM_SEQS, lambda s: f"{s.running:.0f} of {MAX_NUM_SEQS}", "green")
    row("KV usage", lambda s: s.kv_usage, lambda s: f"{s.kv_usage:.0%}", "green")
    row(
        "operations per byte",
        lambda s: s.intensity / s.ridge,
        lambda s: f"{s.intensity:.1f} of {s.ridge:.0f}",
        "green",
    )
    most = max(starved.tokens_per_s, saturated.tokens_per_s)
    row("tokens a second", lambda s: s.tokens_per_s / most, lambda s: f"{s.tokens_per_s:.0f}", "green")
    row("waiting", lambda s: s.waiting / NUM_CROWD, lambda s: f"{s.waiting:.0f}", "yellow")
    return table


@click.command()
@click.option("--model", type=click.Choice(["smollm2", "tiny"]), default="smollm2", show_default=True)
@click.option("--seconds", type=click.FloatRange(10), default=20.0, show_default=True, help="Of each state.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--svg", type=click.Path(path_type=Path), help="Where to keep the picture.")
def main(model: str, seconds: float, seed: int, svg: Path | None) -> None:
    """Show both states."""
    starved, saturated = asyncio.run(run(model, seconds, seed, click.echo))
    console = Console(record=svg is not None, width=96)
    console.print(picture(model, starved, saturated))
    if svg is not None:
        console.save_svg(str(svg), title="serving_busy_ratio is not enough", code_format=SVG)


if __name__ == "__main__":
    main()
