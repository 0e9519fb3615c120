"""Many streams whose clients hang up at random: every request is accounted for, every KV block is free again.

`python bench/hang_ups.py` takes three minutes on the real model; `--model tiny --seconds 10` is what a test runs.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
from httpx_sse import EventSource

from bench.server import serving, until_idle


@dataclass(slots=True)
class Tally:
    """What became of the requests, as their clients saw it."""

    endings: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        """One line."""
        return ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))


async def client(http: httpx.AsyncClient, rng: random.Random, until: float, tally: Tally) -> None:
    """One client after another until the time is up; every third hangs up somewhere in its answer."""
    while time.monotonic() < until:
        body = {
            "prompt": [rng.randrange(3, 250) for _ in range(rng.randrange(4, 120))],
            "max_tokens": rng.randrange(4, 80),
            "stream": True,
            "ignore_eos": True,
            "priority": rng.randrange(3),
        }
        gives_up_after = rng.randrange(0, 12) if rng.random() < 1 / 3 else None
        async with http.stream("POST", "/v1/completions", json=body) as answer:
            if answer.status_code != httpx.codes.OK:
                tally.endings[f"refused with {answer.status_code}"] += 1
                continue
            ending = "cut"
            num_events = 0
            async for event in EventSource(answer).aiter_sse():
                num_events += 1
                if event.data == "[DONE]":
                    ending = "finished"
                if gives_up_after is not None and num_events > gives_up_after:
                    ending = "hung up"
                    break
            tally.endings[ending] += 1


async def run(model: str, num_clients: int, seconds: float, seed: int) -> tuple[Tally, float, float]:
    """Answers the clients' tally, the requests that the server counted as ended, and its KV usage at the end."""
    with tempfile.TemporaryDirectory() as folder:
        # Everybody is let in at once: the door would refuse whoever it cannot serve within half a minute.
        door = Path(folder) / "door.yaml"
        door.write_text(f"max_in_flight: {num_clients}\n", encoding="utf-8")
        return await load(model, num_clients, seconds, seed, ["--num-blocks", "192", "--door", str(door)])


async def load(
    model: str, num_clients: int, seconds: float, seed: int, flags: Sequence[str]
) -> tuple[Tally, float, float]:
    """`run` on a server that is started with *flags*."""
    async with serving(model, flags) as served:
        tally, until = Tally(), time.monotonic() + seconds
        rngs = [random.Random(seed * 1000 + number) for number in range(num_clients)]
        await asyncio.gather(*(client(served.http, rng, until, tally) for rng in rngs))
        numbers = await until_idle(served.http)
        return tally, numbers["vllm:request_success_total"], numbers["vllm:kv_cache_usage_perc"]


@click.command()
@click.option("--model", type=click.Choice(["smollm2", "tiny"]), default="smollm2", show_default=True)
@click.option("--clients", "num_clients", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seconds", type=float, default=180.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(model: str, num_clients: int, seconds: float, seed: int) -> None:
    """End with 1 if a request was lost or a block is still held."""
    tally, ended, usage = asyncio.run(run(model, num_clients, seconds, seed))
    asked = sum(tally.endings.values())
    print(
        f"{model}, {num_clients} clients at once for {seconds:.0f} s, seed {seed}: {asked} requests, {tally.describe()}"
    )
    print(f"the server counted {ended:.0f} ended requests; KV usage afterwards {usage:.0%}")
    if ended != asked or usage or set(tally.endings) - {"finished", "hung up"}:
        raise click.ClickException("a request was lost, or a block is still held")


if __name__ == "__main__":
    main()
