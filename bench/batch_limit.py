"""What the batch limit does to a server whose KV cache is too small for its batch: the demo's server, limit by limit.

Each limit gets a server process and seeded overload of its own, in turns, so that whatever else the machine does meets
all of them. Run on an idle machine: `python bench/batch_limit.py`, more with `--limit 24 --limit 8 --rounds 5`.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import tempfile
import time
from pathlib import Path

import click
import torch

from opsbot.demo.observe import Observer, ServerNumbers
from opsbot.demo.processes import Processes, free_port
from opsbot.demo.stage import MAX_OUTSTANDING, MAX_TOKENS, NUM_BLOCKS, PROMPT_TOKENS

SPIKE_RATE = 8.0
START_LIMIT_S = 120.0


async def measure(limit: int, seed: int, warm_up_s: float, measured_s: float) -> tuple[ServerNumbers, ServerNumbers]:
    """The server's numbers before and after *measured_s* of overload."""
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        processes = Processes(folder / "logs", {"SERVING_CONTROL_TOKEN": "bench"})
        observer = Observer(url, url, url, {"control": "bench"})
        port = url.rsplit(":", 1)[1]
        server = ["--port", port, "--model", "smollm2", "--journal", str(folder / "leases.jsonl")]
        server += ["--max-num-seqs", str(limit), "--num-blocks", str(NUM_BLOCKS)]
        load = ["traffic", "--url", url, "--scenario", "launch_spike", "--rate", str(SPIKE_RATE), "--seed", str(seed)]
        load += ["--duration", "600", "--max-outstanding", str(MAX_OUTSTANDING)]
        load += ["--prompt-tokens", str(PROMPT_TOKENS), "--max-tokens", str(MAX_TOKENS)]
        try:
            await processes.start("server", "serving_stub", server)
            give_up_at = time.monotonic() + START_LIMIT_S
            while not await observer.is_up(f"{url}/health"):
                if time.monotonic() > give_up_at:
                    raise click.ClickException(f"the server did not start:\n{processes.started[0].log_tail()}")
                await asyncio.sleep(0.3)
            await processes.start("traffic", "serving_stub", load)
            await asyncio.sleep(warm_up_s)
            before = await observer.numbers()
            await asyncio.sleep(measured_s)
            return before, await observer.numbers()
        finally:
            await processes.stop_all()
            await observer.close()


@click.command()
@click.option("--limit", "limits", type=int, multiple=True, default=(24, 8), show_default=True, help="Batch limits.")
@click.option("--rounds", type=int, default=2, show_default=True, help="How often each is measured.")
@click.option("--seed", type=int, default=8, show_default=True, help="Seed of the traffic.")
@click.option("--warm-up", type=float, default=10.0, show_default=True, help="Seconds of overload before measuring.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Seconds that are measured.")
def main(limits: tuple[int, ...], rounds: int, seed: int, warm_up: float, seconds: float) -> None:
    """Print tokens a second, preemptions and mean TTFT for each batch limit."""
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, SmolLM2-135M-Instruct")
    print(
        f"{NUM_BLOCKS} KV blocks of 16 tokens; prompts about {PROMPT_TOKENS} tokens, up to {MAX_TOKENS} new ones; "
        f"{SPIKE_RATE} requests/s offered, {MAX_OUTSTANDING} outstanding at most; seed {seed}; medians of {rounds}"
    )
    found: dict[int, list[tuple[float, float, float]]] = {limit: [] for limit in limits}
    for _ in range(rounds):
        for limit in limits:
            before, after = asyncio.run(measure(limit, seed, warm_up, seconds))
            num_first = max(after.ttft_count - before.ttft_count, 1.0)
            found[limit].append(
                (
                    (after.generated_tokens - before.generated_tokens) / seconds,
                    after.preemptions - before.preemptions,
                    (after.ttft_sum_s - before.ttft_sum_s) / num_first,
                )
            )
    for limit, rows in found.items():
        tokens, preemptions, ttft_s = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"batch limit {limit:3d}: {tokens:6.1f} tokens/s, {preemptions:5.1f} preemptions, mean TTFT {ttft_s:5.1f} s"
        )


if __name__ == "__main__":
    main()
