"""Many streams whose clients hang up at random: every request is accounted for, every KV block is free again.

`python bench/hang_ups.py` takes three minutes on the real model; `--model tiny --seconds 10` is what a test runs.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

from opsbot.demo.observe import Observer
from opsbot.demo.processes import Processes, free_port

START_LIMIT_S = 120.0
DRAIN_LIMIT_S = 60.0


@dataclass(slots=True)
class Tally:
    """What became of the requests, as their clients saw it."""

    endings: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        """One line."""
        return ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))


async def client(url: str, model: str, rng: random.Random, until: float, tally: Tally) -> None:
    """One client after another until the time is up; every third hangs up somewhere in its answer."""
    async with httpx.AsyncClient(timeout=httpx.Timeout(600.0), trust_env=False) as http:
        while time.monotonic() < until:
            body = {
                "model": model,
                "prompt": [rng.randrange(3, 250) for _ in range(rng.randrange(4, 120))],
                "max_tokens": rng.randrange(4, 80),
                "stream": True,
                "ignore_eos": True,
                "priority": rng.randrange(3),
            }
            gives_up_after = rng.randrange(0, 12) if rng.random() < 1 / 3 else None
            async with http.stream("POST", f"{url}/v1/completions", json=body) as answer:
                if answer.status_code != httpx.codes.OK:
                    tally.endings[f"refused with {answer.status_code}"] += 1
                    continue
                ending = "cut"
                num_chunks = 0
                async for line in answer.aiter_lines():
                    if line == "data: [DONE]":
                        ending = "finished"
                    num_chunks += line.startswith("data:")
                    if gives_up_after is not None and num_chunks > gives_up_after:
                        ending = "hung up"
                        break
                tally.endings[ending] += 1


async def run(model: str, num_clients: int, seconds: float, seed: int) -> tuple[Tally, float, float]:
    """Answers the clients' tally, the requests that the server counted as ended, and its KV usage at the end."""
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        processes = Processes(Path(name), {"SERVING_CONTROL_TOKEN": "bench"})
        observer = Observer(url, url, url, {"control": "bench"})
        arguments = ["--port", url.rsplit(":", 1)[1], "--model", model, "--num-blocks", "192"]
        try:
            server = await processes.start("server", "serving_stub", [*arguments, "--journal", f"{name}/leases.jsonl"])
            give_up_at = time.monotonic() + START_LIMIT_S
            while not await observer.is_up(f"{url}/health"):
                if time.monotonic() > give_up_at:
                    raise click.ClickException(f"the server did not start:\n{server.log_tail()}")
                await asyncio.sleep(0.2)
            tally, until = Tally(), time.monotonic() + seconds
            rngs = [random.Random(seed * 1000 + number) for number in range(num_clients)]
            await asyncio.gather(*(client(url, model, rng, until, tally) for rng in rngs))
            give_up_at = time.monotonic() + DRAIN_LIMIT_S
            numbers = await observer.numbers()
            while numbers.running + numbers.waiting > 0 and time.monotonic() < give_up_at:
                await asyncio.sleep(0.2)
                numbers = await observer.numbers()
            return tally, numbers.requests_ended, numbers.kv_usage
        finally:
            await processes.stop_all()
            await observer.close()


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
