"""What watch's history costs: bytes and processor time of a sample, and how long it takes to read hours back.

`python -m bench.history`: the server's own metrics under seeded load (`bench/exporters.py`) in virtual time, a scrape
each 10 s as the fine level keeps them, written each minute as watch does, through the file that watch writes.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from bench.exporters import made
from opsbot.history.file import Batch, HistoryFile, Limits
from opsbot.history.level import COARSE, FINE, Level
from opsbot.promql.block import Block
from opsbot.promql.labelset import NAME
from opsbot.promql.matcher import Matcher
from opsbot.source.exposition import Exposition
from serving_stub.roofline.calibrate import processor

START_S = 1_700_006_400.0
BATCH = 6
"""Steps of 10 s in one write."""


def scraped(num_targets: int, hours: float, seed: int) -> list[Block]:
    """What each target exposed at every step."""
    blocks = []
    for index, target in enumerate(made(num_targets, 1, seed)):
        reader = Exposition({"cluster": f"cluster-{index:02d}"}, {})
        times, columns = [], []
        for step in range(round(hours * 3600 / FINE.step_s)):
            for _ in range(round(FINE.step_s)):
                target.servers[0].second()
            columns.append(reader.read(target.servers[0].metrics.exposition().decode()))
            times.append(START_S + FINE.step_s * step + 9 + (index * 37 + step * 7) % 50 / 1000)
        # A labelled counter has a series from its first count on; those that came later are left out here.
        full = [column for column in columns if len(column) == len(columns[-1])]
        blocks.append(Block(reader.labels, times[-len(full) :], np.array(full).T))
    return blocks


def write(file: HistoryFile, blocks: list[Block]) -> float:
    """Write and tidy as watch does; answers the processor time."""
    began = time.process_time()
    for first in range(0, max(len(block.times) for block in blocks), BATCH):
        file.write(
            [
                Batch(
                    f"target-{index}",
                    Block(one.labels, one.times[first : first + BATCH], one.values[:, first : first + BATCH]),
                )
                for index, one in enumerate(blocks)
            ]
        )
        if first % (BATCH * 10) == 0:
            file.tidy(START_S + first * FINE.step_s)
    return time.process_time() - began


def reading(file: HistoryFile, name: str, level: Level, hours: float) -> tuple[float, int]:
    """Seconds to read a metric's whole past, and how many samples that are."""
    began = time.perf_counter()
    found = file.read((Matcher(NAME, "=", name),), level, START_S, START_S + hours * 3600)
    return time.perf_counter() - began, sum(block.values.size for _, block in found)


@click.command()
@click.option("--targets", "num_targets", type=click.IntRange(1), default=1, show_default=True)
@click.option("--hours", type=click.FloatRange(1), default=8.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(num_targets: int, hours: float, seed: int) -> None:
    """Measure the history."""
    blocks = scraped(num_targets, hours, seed)
    num_samples = sum(block.values.size for block in blocks)
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    click.echo(f"written   {num_targets} targets, {hours:g} h at {FINE.step_s:g} s, {num_samples} samples; seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        file = HistoryFile(Path(folder) / "history.sqlite", Limits(), "bench")
        spent_s = write(file, blocks)
        while file.tidy(START_S + hours * 3600 + COARSE.span_s + COARSE.settled_s):
            pass
        size = file.num_bytes
        click.echo(f"disk      {size / num_samples:.2f} bytes for a sample at 10 s, its minute's at 60 s included")
        click.echo(f"processor {spent_s / num_samples * 1e6:.2f} us for a sample, written and made small")
        for name in ("vllm:time_to_first_token_seconds_bucket", "vllm:num_requests_running"):
            for level in (FINE, COARSE):
                took_s, count = reading(file, name, level, hours)
                click.echo(f"reading   {count} samples of {name} each {level.step_s:g} s: {took_s * 1e3:.0f} ms")
        file.close()


if __name__ == "__main__":
    main()
