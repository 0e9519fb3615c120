"""What HTTP costs beside the engine: processor time of the server's main thread and of all others, under streams.

The main thread takes requests, checks them, writes events and answers scrapes; the engine and its products run on
others. `python bench/http_cost.py` streams at batch 1 and 16; it also gives what one scrape of /metrics costs, and how
long a start takes until the first token.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from bench.server import Served, scrape, serving

NUM_SCRAPES = 100


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds of a process: its main thread's, and all others' together."""

    main_s: float
    others_s: float

    def since(self, before: Spent) -> Spent:
        """What was spent after *before*."""
        return Spent(self.main_s - before.main_s, self.others_s - before.others_s)


def spent(pid: int) -> Spent:
    """What a process has spent so far, from /proc."""
    ticks = os.sysconf("SC_CLK_TCK")
    by_thread: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        # The name may hold blanks, so fields are counted from its closing bracket: utime and stime are 12th and 13th.
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        by_thread[int(task.name)] = (int(fields[11]) + int(fields[12])) / ticks
    main_s = by_thread.pop(pid)
    return Spent(main_s, sum(by_thread.values()))


async def stream(http: httpx.AsyncClient, rng: random.Random, num_tokens: int) -> None:
    """One streamed answer, read to its end."""
    prompt = [rng.randrange(3, 250) for _ in range(64)]
    body = {"prompt": prompt, "max_tokens": num_tokens, "ignore_eos": True, "stream": True}
    async with http.stream("POST", "/v1/completions", json=body) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_raw():
            pass


async def measure(served: Served, batch: int, num_rounds: int, num_tokens: int) -> tuple[Spent, int, int]:
    """What so many streams at once cost; answers it with the numbers of requests and tokens."""
    rng = random.Random(0)
    before = spent(served.pid)
    for _ in range(num_rounds):
        await asyncio.gather(*(stream(served.http, rng, num_tokens) for _ in range(batch)))
    requests = batch * num_rounds
    return spent(served.pid).since(before), requests, requests * num_tokens


async def run(model: str, num_tokens: int, num_rounds: int) -> None:
    """Print one line for each batch, and what a scrape costs."""
    began = time.perf_counter()
    async with serving(model) as served:
        await stream(served.http, random.Random(1), 1)
        click.echo(f"{model}: first token {time.perf_counter() - began:.1f} s after the start of the process")
        click.echo("| streams | HTTP, ms a request | HTTP, ms a token | engine, ms a token | HTTP / engine |")
        click.echo("| --- | --- | --- | --- | --- |")
        for batch in (1, 16):
            await measure(served, batch, 1, num_tokens)
            cost, requests, tokens = await measure(served, batch, num_rounds, num_tokens)
            click.echo(
                f"| {batch} | {cost.main_s / requests * 1e3:.2f} | {cost.main_s / tokens * 1e3:.3f} "
                f"| {cost.others_s / tokens * 1e3:.3f} | {cost.main_s / cost.others_s:.1%} |"
            )
        before = spent(served.pid)
        for _ in range(NUM_SCRAPES):
            await scrape(served.http)
        cost = spent(served.pid).since(before)
        click.echo(f"a scrape of /metrics: {cost.main_s / NUM_SCRAPES * 1e3:.2f} ms of the main thread")


@click.command()
@click.option("--model", type=click.Choice(["smollm2", "tiny"]), default="smollm2", show_default=True)
@click.option("--tokens", "num_tokens", type=click.IntRange(1), default=128, show_default=True)
@click.option("--rounds", "num_rounds", type=click.IntRange(1), default=5, show_default=True)
def main(model: str, num_tokens: int, num_rounds: int) -> None:
    """Measure on an idle machine."""
    asyncio.run(run(model, num_tokens, num_rounds))


if __name__ == "__main__":
    main()
