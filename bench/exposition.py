"""Reading an exposition of 2,000 samples and storing it, beside prometheus_client's parser alone.

`python -m bench.exposition`: watch reads a target's text every second and appends its values to a sheet; the client
library's parser only makes its samples. In turns, processor time, medians. The values change each time, the series do
not, as of a target that runs; a text that was never seen before is shown too.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable

import click
from prometheus_client.parser import text_string_to_metric_families

from opsbot.promql.samples import SampleStore
from opsbot.source.exposition import Exposition
from serving_stub.roofline.calibrate import processor

AIM = 5.0
NUM_FAMILIES = 100
FULL_AFTER = 900
"""Scrapes until a sheet drops as much as it takes."""
TARGET = {"cluster": "eu-1", "instance": "127.0.0.1:80", "job": "serving"}


def texts(num_samples: int, count: int, seed: int) -> list[str]:
    """Expositions of the same series with other values: gauges and counters with a few labels, in families."""
    rng = random.Random(seed)
    each = num_samples // NUM_FAMILIES
    found = []
    for _ in range(count):
        lines: list[str] = []
        for family in range(NUM_FAMILIES):
            name = f"vllm:family_{family}_total" if family % 2 else f"vllm:family_{family}"
            kind = "counter" if family % 2 else "gauge"
            lines += [f"# HELP {name} What family {family} tells.", f"# TYPE {name} {kind}"]
            lines += [
                f'{name}{{model_name="smollm2",engine="{index % 4}",shard="{index}"}} {rng.uniform(0, 1e6)!r}'
                for index in range(each)
            ]
        found.append("\n".join(lines) + "\n")
    return found


def ours(num_samples: int) -> Callable[[str], int]:
    """Watch's way: read, and append to a sheet that is as full as it ever is."""
    exposition, sheet = Exposition(TARGET, {}), SampleStore().sheet("target")
    at_s = 0.0

    def take(text: str) -> int:
        nonlocal at_s
        values = exposition.read(text)
        at_s += 1.0
        sheet.append(at_s, exposition.labels, values)
        return len(values)

    for text in texts(num_samples, 1, 0) * FULL_AFTER:
        take(text)
    return take


def first_time(text: str) -> int:
    """Watch's way with a text of which nothing is known."""
    exposition = Exposition(TARGET, {})
    values = exposition.read(text)
    SampleStore().sheet("target").append(1.0, exposition.labels, values)
    return len(values)


def theirs(text: str) -> int:
    """The client library's parser; what it yields is counted and dropped."""
    return sum(len(family.samples) for family in text_string_to_metric_families(text))


def spent_s(take: Callable[[str], int], text: str, num_samples: int) -> float:
    """Processor time of one text."""
    began = time.process_time()
    found = take(text)
    took = time.process_time() - began
    assert found == num_samples, f"{found} samples were read of {num_samples}"
    return took


@click.command()
@click.option("--samples", "num_samples", type=click.IntRange(NUM_FAMILIES), default=2000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(num_samples: int, rounds: int, seed: int) -> None:
    """Measure both ways in turns."""
    num_samples -= num_samples % NUM_FAMILIES
    given = texts(num_samples, rounds, seed)
    size = f"{len(given[0]) / 1e3:.0f} kB"
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    click.echo(f"text      {num_samples} samples of {NUM_FAMILIES} families, {size}; {rounds} rounds, seed {seed}\n")
    ways = {
        "watch: read and append": ours(num_samples),
        "watch, never seen before": first_time,
        "prometheus_client: parse": theirs,
    }
    ways["watch: read and append"](given[-1])
    took: dict[str, list[float]] = {name: [] for name in ways}
    for text in given:
        for name, take in ways.items():
            took[name].append(spent_s(take, text, num_samples))
    click.echo("| | median | p95 |")
    click.echo("| --- | --- | --- |")
    for name, seconds in took.items():
        p95 = sorted(seconds)[int(0.95 * (len(seconds) - 1))]
        click.echo(f"| {name} | {statistics.median(seconds) * 1e3:.2f} ms | {p95 * 1e3:.2f} ms |")
    known, fresh, parser = (statistics.median(seconds) for seconds in took.values())
    click.echo(
        f"\nprometheus_client / watch: {parser / known:.1f} (aim: {AIM:g}); never seen before {parser / fresh:.1f}"
    )


if __name__ == "__main__":
    main()
