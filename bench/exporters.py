"""Targets to scrape: expositions of the server's own metrics, fed with seeded steps and tokens once a second.

`python bench/exporters.py --targets 24` prints each target's base URL, one a line, and answers until it is ended. The
text is made once a second, ahead of whoever asks, so that a target costs its scrapers nothing but the reading.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import click

from serving_stub.engine.interface import EngineStats, FinishRecord, StepRecord
from serving_stub.metrics import CONTENT_TYPE, ServingMetrics
from serving_stub.roofline.roof import Device

NUM_BLOCKS = 4096
STEPS_A_SECOND = 20
DEVICE = Device("bench", flops_per_s=400e12, bytes_per_s=2e12, host_bytes_per_s=50e9, memory_bytes=80e9)
CACHE_CONFIG = {"block_size": "16", "num_gpu_blocks": str(NUM_BLOCKS), "enable_prefix_caching": "True"}


@dataclass(slots=True)
class Server:
    """A made-up server: its load wanders, and its metrics tell of it.

    Args:
        metrics: the real class, so that names, labels and buckets are the server's.
    """

    rng: random.Random
    metrics: ServingMetrics
    load: float = 0.5
    num_waiting: int = 0
    num_first_tokens: int = 0

    def __post_init__(self) -> None:
        self.metrics.watch(self.stats, lambda: {"batch_limit": 0}, CACHE_CONFIG, DEVICE)

    def stats(self) -> EngineStats:
        """The engine as it would be under this load."""
        used = min(1.0, self.load)
        free = round(NUM_BLOCKS * (1 - used))
        return EngineStats(
            num_running=round(64 * used),
            num_waiting=self.num_waiting,
            kv_cache_usage=used,
            num_blocks=NUM_BLOCKS,
            num_free_blocks=free,
            batch_limit=64,
            token_budget=2048,
            max_num_seqs=64,
            num_first_tokens=self.num_first_tokens,
            is_alive=True,
            num_restarts=0,
        )

    def second(self) -> None:
        """One second of traffic."""
        self.load = min(1.1, max(0.05, self.load + self.rng.gauss(0, 0.03)))
        self.num_waiting = max(0, round(80 * (self.load - 0.9)))
        for _ in range(STEPS_A_SECOND):
            self._step()
        for _ in range(self.rng.randrange(2, 5 + round(10 * self.load))):
            self._request()

    def _step(self) -> None:
        num_running = round(64 * min(1.0, self.load))
        num_prefill = self.rng.choice((0, 0, 0, 128, 512))
        num_preempted = int(self.load > 1.0 and self.rng.random() < 0.2)
        num_tokens = num_prefill + num_running
        self.metrics.on_step(
            StepRecord(
                num_prefill_tokens=num_prefill,
                num_decode_tokens=num_running,
                num_running=num_running,
                num_waiting=self.num_waiting,
                num_preempted=num_preempted,
                num_recomputed_tokens=256 * num_preempted,
                num_swapped_out_blocks=0,
                num_swapped_in_blocks=0,
                kv_cache_usage=min(1.0, self.load),
                duration_s=1 / STEPS_A_SECOND * min(1.0, self.load),
                flops=num_tokens * 2.7e8,
                bytes_read=2.7e8 + num_running * 1e6,
                bytes_written=num_tokens * 2e4,
            )
        )
        self.metrics.on_token(self.rng.lognormvariate(-3.5, 0.5) * (1 + self.load))

    def _request(self) -> None:
        slow = 1 + 20 * max(0.0, self.load - 0.9)
        queue_s, prefill_s = self.rng.expovariate(10) * slow, self.rng.lognormvariate(-2, 0.5)
        num_prompt, num_generated = self.rng.randrange(16, 1024), self.rng.randrange(2, 512)
        num_cached = num_prompt // 2 if self.rng.random() < 0.5 else 0
        decode_s = num_generated * self.rng.lognormvariate(-3.5, 0.3)
        self.metrics.on_prefix_lookup(num_prompt, num_cached, 0)
        self.num_first_tokens += 1
        self.metrics.on_first_token(queue_s + prefill_s, queue_s)
        reason = self.rng.choices(("stop", "length", "abort", "error"), (60, 36, 3, 1))[0]
        self.metrics.on_finished(
            FinishRecord(
                finish_reason=reason,  # type: ignore[arg-type]
                e2e_s=queue_s + prefill_s + decode_s,
                queue_s=queue_s,
                prefill_s=prefill_s,
                decode_s=decode_s,
                num_prompt_tokens=num_prompt,
                num_generated_tokens=num_generated,
                num_cached_tokens=num_cached,
                num_preemptions=0,
                max_tokens=512,
            )
        )


@dataclass(slots=True)
class Target:
    """One address, behind which are as many servers as a cluster has models."""

    servers: list[Server]
    answer: bytes = b""

    def second(self) -> None:
        """Let a second pass and write down what the servers expose then."""
        for server in self.servers:
            server.second()
        first, *others = (server.metrics.exposition() for server in self.servers)
        # Only one can speak for the process.
        body = first + b"".join(text[text.index(b"# HELP vllm:") :] for text in others)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.answer = head.encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer whatever is asked with the exposition, until the client leaves."""
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def made(num_targets: int, num_models: int, seed: int) -> list[Target]:
    """Targets whose values depend on *seed* alone."""
    return [
        Target(
            [
                Server(random.Random(f"{seed}/{index}/{model}"), ServingMetrics(f"model-{model}", 4096))
                for model in range(num_models)
            ]
        )
        for index in range(num_targets)
    ]


async def run(targets: list[Target]) -> None:
    """Serve for ever; targets move one after the other, so that they are not all made in one go."""
    for target in targets:
        target.second()
        server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
        click.echo(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    while True:
        for target in targets:
            target.second()
            await asyncio.sleep(1 / len(targets))


@click.command()
@click.option("--targets", "num_targets", type=click.IntRange(1), default=24, show_default=True)
@click.option(
    "--models", "num_models", type=click.IntRange(1), default=2, show_default=True, help="Behind each target."
)
@click.option("--seed", type=int, default=1, show_default=True)
def main(num_targets: int, num_models: int, seed: int) -> None:
    """Expose metrics until ended."""
    asyncio.run(run(made(num_targets, num_models, seed)))


if __name__ == "__main__":
    main()
