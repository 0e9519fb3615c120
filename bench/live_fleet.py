"""A live fleet for a bench: 24 clusters as one process on a core of its own, with every place of every batch taken.

Answers are long and prompts short, so that steps are decode steps; whoever is done makes room for one who waits.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import yaml

from tests.support.fleet_server import FleetServer, fleet_serving

MODEL = "llama-3.1-70b"
GPU, NUM_GPUS = "a100", 4
NUM_SEQS = 64
REGIONS = {"us-west": "US", "us-east": "CA", "europe": "DE", "japan": "JP", "india": "IN", "brazil": "BR"}
PROMPT_TOKENS = (16, 48)
ANSWER_TOKENS = (300, 1500)
FILLING_S, REQUESTS_TO_FILL = 6.0, 2
"""At first two come for each place within this, so that one waits."""
START_S = 60.0
"""From the start of its load until a bench measures, with a margin."""
ANSWER_S = 25.0
"""What a mean answer takes in a full batch: from then on one comes for each place in this time."""


def clusters(count: int) -> dict[str, str]:
    """Names and regions of so many clusters."""
    regions = list(REGIONS)
    return {f"{regions[n % len(regions)]}-{n // len(regions) + 1}": regions[n % len(regions)] for n in range(count)}


def write_fleet(path: Path, count: int) -> None:
    """The fleet's file."""
    rows = [
        {"name": name, "region": region, "countries": [REGIONS[region]]} for name, region in clusters(count).items()
    ]
    defaults = {"gpu": GPU, "num_gpus": NUM_GPUS, "model": MODEL, "max_num_seqs": NUM_SEQS}
    path.write_text(yaml.safe_dump({"name": "bench", "defaults": defaults, "clusters": rows}), encoding="utf-8")


def write_trace(path: Path, count: int, seed: int, busy_s: float) -> None:
    """Who asks for what, so that batches are full for *busy_s*."""
    rng = random.Random(seed)
    places = count * NUM_SEQS
    num_filling = places * REQUESTS_TO_FILL
    num_later = round(places * max(0.0, busy_s - FILLING_S) / ANSWER_S)
    at = [FILLING_S * n / num_filling for n in range(num_filling)]
    at += [FILLING_S + ANSWER_S * n / places for n in range(num_later)]
    countries = [REGIONS[region] for region in clusters(count).values()]
    with path.open("w", encoding="utf-8") as lines:
        for n, at_s in enumerate(at):
            arrival = {
                "at_s": round(at_s, 4),
                "country": countries[n % count],
                "tenant": f"tenant-{rng.randrange(200):03d}",
                "model": MODEL,
                "prompt_tokens": rng.randint(*PROMPT_TOKENS),
                "answer_tokens": rng.randint(*ANSWER_TOKENS),
            }
            lines.write(json.dumps(arrival) + "\n")


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started within runs on *core* alone; whoever starts it runs on all others afterwards."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine - {core} or mine)


@contextmanager
def live_fleet(folder: Path, count: int, seed: int, busy_s: float) -> Iterator[FleetServer]:
    """The fleet as a process on the machine's first core, under load for *busy_s*; gone afterwards."""
    file, trace = folder / "fleet.yaml", folder / "trace.jsonl"
    write_fleet(file, count)
    write_trace(trace, count, seed, busy_s)
    with ExitStack() as started:
        with on_core(min(os.sched_getaffinity(0))):
            arguments = ("--trace", str(trace), "--seed", str(seed))
            server = started.enter_context(fleet_serving(folder / "state", file, *arguments))
        yield server


def num_running(server: FleetServer) -> int:
    """Sequences in all batches."""
    state = httpx.get(f"{server.url}/clusters", trust_env=False, timeout=60.0).raise_for_status().json()
    return sum(one["running"] for one in state["clusters"])
