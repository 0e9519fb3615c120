"""Generated series for PromQL: gaps, resets, stale marks, NaN, infinities, histograms good and bad.

Values are sums of powers of two, so that adding them in whatever order is exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.samples import SampleStore
from tests.support.remote_write import Point

BASE_S = 1_790_000_000.0
NUM_SCRAPES = 90
LAST_OF_D_S = BASE_S + 40.0
"""The last scrape of the target d, which disappears without stale marks."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped together: every series has a value, or none, at each of the times."""

    name: str
    times: tuple[float, ...]
    series: Mapping[LabelSet, tuple[float | None, ...]]

    def points(self, labels: LabelSet) -> list[Point]:
        """One series as Prometheus would store it: a stale mark at the first scrape that it is missing from."""
        values = self.series[labels]
        befores = (None, *values)
        return [
            (time_s, value)
            for time_s, before, value in zip(self.times, befores, values, strict=False)
            if value is not None or before is not None
        ]


def targets(seed: int) -> list[Target]:
    """Four targets: a regular, b jittering, c with a gap of 20 s, d scraped every 3 s until it disappears."""
    rng = random.Random(seed)
    regular = [BASE_S + second for second in range(NUM_SCRAPES)]
    jittering = [round(time_s + 0.311 + rng.uniform(-0.2, 0.2), 3) for time_s in regular]
    gapped = [time_s + 0.5 for index, time_s in enumerate(regular) if not 30 <= index < 50]
    sparse = [time_s for time_s in regular[1::3] if time_s <= LAST_OF_D_S]
    times = {"a": regular, "b": jittering, "c": gapped, "d": sparse}
    return [
        Target(name, tuple(of), _series(rng, index, name, len(of))) for index, (name, of) in enumerate(times.items())
    ]


def filled(store: SampleStore, found: list[Target]) -> SampleStore:
    """The same samples in *store*, one sheet a target."""
    for target in found:
        for column, time_s in enumerate(target.times):
            present = {labels: row[column] for labels, row in target.series.items() if row[column] is not None}
            values = [value for value in present.values() if value is not None]
            store.sheet(target.name).append(time_s, tuple(present), values)
    return store


def _series(rng: random.Random, index: int, cluster: str, length: int) -> dict[LabelSet, tuple[float | None, ...]]:
    found: dict[LabelSet, tuple[float | None, ...]] = {}

    def add(name: str, values: list[float | None], **labels: str) -> None:
        found[LabelSet.of({NAME: name, "cluster": cluster, **labels})] = tuple(values)

    for number, zone in enumerate(("x", "y")):
        own = (2 * index + number) / 64
        add("m_gauge", _each(length, lambda own=own: rng.randrange(-80, 80) / 4 + own), zone=zone)  # type: ignore[misc]
        add("m_total", _walk(rng, length, [0, 0, 1, 2.5, 16]), zone=zone)
        add("m_reset_total", _walk(rng, length, [1, 2, 4.5], reset=0.15), zone=zone)
        odd = [math.nan, math.inf, -math.inf, 1.0, 2.0, -3.5] if cluster != "b" else [math.nan, 1.0, 2.0]
        add("m_odd", _each(length, lambda odd=odd: rng.choice(odd)), zone=zone)  # type: ignore[misc]
        add("m_flapping", _each(length, lambda: rng.choice([None, 1.0, 4.0, 7.0, 9.5])), zone=zone)
    level = rng.randrange(1, 9)
    add("m_constant", [float(level)] * length)
    add("m_gone", [3.0 if at < length * 0.6 else None for at in range(length)])
    add("m_late", [float(at) if at > length * 0.4 else None for at in range(length)])
    add("m_once", [None] * (length // 2) + [5.0] + [None] * (length - length // 2 - 1))
    if cluster != "d":
        add("m_info", [1.0] * length, tier="gold" if cluster == "a" else "free")
    for name, bounds in (
        ("m_bucket", ["0.1", "0.5", "2", "+Inf"]),
        ("m_open_bucket", ["0.1", "0.5", "2"]),
        ("m_negative_bucket", ["-1", "0.5", "+Inf"]),
        ("m_twice_bucket", ["1", "1.0", "2", "+Inf"]),
        ("m_odd_bucket", ["1", "wide", "+Inf"]),
    ):
        below: list[float | None] = [0.0] * length
        for bound in bounds:
            more = _walk(rng, length, [0, 0, 1, 2, 3])
            below = [(a or 0) + (b or 0) for a, b in zip(below, more, strict=True)]
            add(name, below, le=bound)
    add("m_torn_bucket", _walk(rng, length, [1, 3]), le="1")
    add("m_torn_bucket", _walk(rng, length, [1, 2]), le="2")
    add("m_torn_bucket", _walk(rng, length, [2, 3]), le="+Inf")
    return found


def _each(length: int, value: Callable[[], float | None]) -> list[float | None]:
    return [value() for _ in range(length)]


def _walk(rng: random.Random, length: int, steps: list[float], reset: float = 0.0) -> list[float | None]:
    value, found = float(rng.randrange(0, 40)), list[float | None]()
    for _ in range(length):
        value = rng.choice([0.0, 1.0]) if rng.random() < reset else value + rng.choice(steps)
        found.append(value)
    return found
