"""What the front door adds: time to first token and tokens relayed, beside a bare Starlette proxy, in the same run.

`make bench-frontdoor`: a trivial upstream; before it a proxy that does nothing, the door as it starts without any file,
and the door with everything on (keys, limits, screening, events with features and hazard scores to a file). The fronts
run on one core; load and upstream on another. Each round asks all of them in turns, the upstream itself too; what is
added is the difference to that.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import httpx

from bench.http_cost import spent
from bench.raw_client import Client
from opsbot.demo.processes import free_port
from serving_stub.frontdoor.tenant import new_key
from serving_stub.roofline.calibrate import processor

START_LIMIT_S = 60.0
TOKENS = 8
TOKENS_A_SECOND = 100.0
CONNECTIONS = 64
STREAMS = 64
STREAM_TOKENS = 800
PROMPT = "Tell me, in a few words, what a front door is good for. " * 8

TENANTS = """
classes:
  - {{name: paid, priority: 0, queue: 200, deadline: 20s}}
tenants:
  - id: bench
    class: paid
    limits: {{requests_per_min: 1000000, tokens_per_min: 1000000000}}
    keys:
      - {{id: bench-1, sha256: "{sha256}", account: load}}
"""
DOOR = """
appeal_url: https://example.org/appeal
enrich: {trusted_proxies: ["127.0.0.0/8"]}
request_log: {to: events.jsonl}
"""


@dataclass(slots=True)
class Front:
    """What is measured.

    Args:
        pid: its process; None for the upstream itself.
        first_ms: p50 and p99 of each round.
        request_us: processor time a request of each round, all of its process's.
        rates: relayed tokens a second of each round; `token_us` is processor time a token.
    """

    name: str
    client: Client
    pid: int | None
    first_ms: list[tuple[float, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    request_us: list[float] = field(default_factory=list)
    token_us: list[float] = field(default_factory=list)


def start(stack: ExitStack, core: int, command: Sequence[str], port: int, folder: Path) -> subprocess.Popen[bytes]:
    """A process on *core* that answers on *port*; gone when *stack* closes."""
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *command], stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    give_up_at = time.monotonic() + START_LIMIT_S
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False)
        except httpx.HTTPError as error:
            if time.monotonic() > give_up_at or process.poll() is not None:
                raise click.ClickException((folder / f"{port}.log").read_text()) from error
            time.sleep(0.1)
        else:
            return process


def fronts(stack: ExitStack, core: int, load_core: int, folder: Path) -> list[Front]:
    """Start everything."""
    ports = [free_port() for _ in range(4)]
    upstream = f"http://127.0.0.1:{ports[0]}"
    made = new_key()
    (folder / "tenants.yaml").write_text(TENANTS.format(sha256=made.sha256))
    (folder / "door.yaml").write_text(DOOR)
    rate = str(TOKENS_A_SECOND)
    start(stack, load_core, ["bench/trivial_upstream.py", "--port", str(ports[0]), "--rate", rate], ports[0], folder)
    proxy = ["bench/frontdoor_proxy.py", "--port", str(ports[1]), "--upstream", upstream]
    bare = ["-m", "serving_stub", "--upstream", upstream, "--port", str(ports[2]), "--journal", str(folder / "bare")]
    full = ["-m", "serving_stub", "--upstream", upstream, "--port", str(ports[3]), "--journal", str(folder / "full")]
    full += ["--tenants", str(folder / "tenants.yaml"), "--door", str(folder / "door.yaml")]
    key = (("authorization", f"Bearer {made.key}"), ("x-forwarded-for", "203.0.113.9"), ("cf-ipcountry", "JP"))
    return [
        Front("upstream itself", Client(ports[0]), None),
        Front("bare Starlette proxy", Client(ports[1]), start(stack, core, proxy, ports[1], folder).pid),
        Front("door, no files", Client(ports[2]), start(stack, core, bare, ports[2], folder).pid),
        Front("door, all on", Client(ports[3], key), start(stack, core, full, ports[3], folder).pid),
    ]


async def measure(found: list[Front], per_second: float, seconds: float, rounds: int, seed: int) -> None:
    """All rounds; the order turns, so that none is always first."""
    chat = {"model": "trivial", "messages": [{"role": "user", "content": PROMPT}], "stream": True}
    short = json.dumps(chat | {"max_tokens": TOKENS}).encode()
    long = json.dumps(chat | {"max_tokens": STREAM_TOKENS}).encode()
    for front in found:
        await front.client.prepare(CONNECTIONS)
        await front.client.offer(front.client.request(short), per_second, 2.0, seed)
    for number in range(rounds):
        for front in found[number % len(found) :] + found[: number % len(found)]:
            tally = front.client.tally
            tally.first_s.clear()
            before = _cpu_s(front)
            await front.client.offer(front.client.request(short), per_second, seconds, seed + number)
            front.request_us.append(1e6 * (_cpu_s(front) - before) / max(1, len(tally.first_s)))
            front.first_ms.append((tally.first_ms(50), tally.first_ms(99)))
            before, num_before = _cpu_s(front), tally.num_tokens
            took_s = await front.client.stream(front.client.request(long), STREAMS)
            num_tokens = tally.num_tokens - num_before
            front.rates.append(num_tokens / took_s)
            front.token_us.append(1e6 * (_cpu_s(front) - before) / max(1, num_tokens))
            if tally.num_refused:
                raise click.ClickException(f"{front.name} refused {tally.num_refused} requests")


def _cpu_s(front: Front) -> float:
    if front.pid is None:
        return 0.0
    now = spent(front.pid)
    return now.main_s + now.others_s


@click.command()
@click.option("--per-second", type=click.FloatRange(1), default=200.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=click.FloatRange(1), default=15.0, show_default=True, help="Of each round.")
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(per_second: float, seconds: float, rounds: int, seed: int) -> None:
    """Measure the front door beside a bare proxy."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise click.ClickException("two cores are needed: one for the fronts, one for the load")
    load_core, core = cores[0], cores[1]
    os.sched_setaffinity(0, {load_core})
    print(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    print(f"fronts    core {core}, one at a time busy; load and upstream: core {load_core}")
    print(
        f"mix       {per_second:g} requests/s (Poisson) of {TOKENS} tokens at {TOKENS_A_SECOND:g} tokens/s, prompts of "
        f"{len(PROMPT)} characters; then {STREAMS} streams of {STREAM_TOKENS} tokens at once"
    )
    print(f"rounds    {rounds} of {seconds:g} s, in turns; seed {seed}; medians of the rounds\n")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        found = fronts(stack, core, load_core, Path(name))
        asyncio.run(measure(found, per_second, seconds, rounds, seed))
    direct50, direct99 = (median(one[at] for one in found[0].first_ms) for at in (0, 1))
    rows = []
    for front in found:
        p50, p99 = (median(one[at] for one in front.first_ms) for at in (0, 1))
        added = ["", ""] if front.pid is None else [f"{p50 - direct50:.2f}", f"{p99 - direct99:.2f}"]
        costs = ["", ""] if front.pid is None else [f"{median(of):.0f}" for of in (front.request_us, front.token_us)]
        rows.append([front.name, f"{p50:.2f}", f"{p99:.2f}", *added, f"{median(front.rates):.0f}", *costs])
    header = ["", "TTFT p50, ms", "p99, ms", "added p50, ms", "added p99, ms", "tokens/s relayed"]
    header += ["processor µs a request", "µs a token"]
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
