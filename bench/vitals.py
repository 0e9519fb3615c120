"""What it takes to read a fleet's vitals and to draw a picture, and how long the event loop waits meanwhile.

`make bench-vitals`. Watch's own query API in a process of its own, over 15 minutes of samples of 24 clusters with two
engines each, made from a seed; a reader beside it asks as core would. Nothing is aimed at but the loop: it must never
wait for longer than 20 ms.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
import httpx

from opsbot.capacity.hardware import Figures
from opsbot.chart import incident_chart
from opsbot.chart.worker import Drawer
from opsbot.clock import SystemClock
from opsbot.demo.processes import free_port
from opsbot.source.prometheus import PrometheusSource
from opsbot.vitals.incident import IncidentVitals
from opsbot.vitals.reader import VitalsReader
from serving_stub.roofline.calibrate import processor
from tests.support.fleet_samples import BUSY, ClusterSamples, store_of
from tests.support.incident_views import make_incident, make_view

AIM_LAG_MS = 20.0
SERVE = "--serve"


def made(num_clusters: int, seed: int) -> list[ClusterSamples]:
    """Clusters that are all as busy as one, each with its own numbers."""
    draw = random.Random(seed)
    found = []
    for index in range(num_clusters):
        levels = {name: level * draw.uniform(0.5, 1.0) for name, level in BUSY.levels.items()}
        growth = {name: rate * draw.uniform(0.5, 1.5) for name, rate in BUSY.growth.items()}
        found.append(ClusterSamples(f"c-{index:02d}", levels, {}, growth, draw.uniform(0.2, 3.0)))
    return found


def serve(port: int, num_clusters: int, seed: int) -> None:
    """Watch's query API until killed."""
    import uvicorn

    from opsbot.watch.past import Past
    from opsbot.watch.query_api import QueryApi

    api = QueryApi(Past(store_of(made(num_clusters, seed), time.time()), None), SystemClock(), None)  # type: ignore[arg-type]
    uvicorn.run(api.app, port=port, log_level="error")


async def timed(what: Callable[[], Awaitable[Any]], repeats: int) -> tuple[list[float], float]:
    """Milliseconds of each call, and the longest that the loop was late by, ms."""
    late: list[float] = [0.0]

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(1000 * (time.perf_counter() - before) - 1)

    beating = asyncio.create_task(beat())
    taken = []
    for _ in range(repeats):
        before = time.perf_counter()
        await what()
        taken.append(1000 * (time.perf_counter() - before))
    beating.cancel()
    return taken, max(late)


def row(name: str, taken: Sequence[float], late_ms: float) -> None:
    """One line of the table."""
    print(f"| {name} | {statistics.median(taken):.0f} | {max(taken):.0f} | {late_ms:.1f} |")


async def measure(url: str, repeats: int) -> None:
    """The table."""
    source, clock = PrometheusSource(url), SystemClock()
    print("| what | median, ms | longest, ms | the loop waits at most, ms |\n| --- | ---: | ---: | ---: |")
    # What the machine itself makes the loop wait, whatever runs beside.
    row("a second of nothing", *await timed(lambda: asyncio.sleep(1.0), 3))
    fresh = VitalsReader(source, clock, Figures(None, "bf16"), [], kept_s=0.0, deadline_s=30.0)
    fleet = await fresh.fleet()
    assert not fleet.missing, fleet.missing
    row(f"{len(fleet.clusters)} clusters, read", *await timed(fresh.fleet, repeats))
    shared = VitalsReader(source, clock, Figures(None, "bf16"), [], deadline_s=30.0)

    async def fifty() -> None:
        await asyncio.gather(*(shared.fleet() for _ in range(50)))

    row("the same for 50 who ask at once, then remembered", *await timed(fifty, repeats))
    vitals, view = IncidentVitals(shared, source, clock), make_view(make_incident())
    object.__setattr__(view.incident, "labels", {"alertname": "KVCachePressure", "cluster": "c-00"})

    async def course() -> None:
        assert await vitals.course(view, time.time()) is not None

    row("an incident's half hour, read", *await timed(course, repeats))
    found, drawer = await vitals.course(view, time.time()), Drawer()
    assert found is not None

    async def draw() -> None:
        assert await drawer.drawn(incident_chart.draw, found, "KV cache pressure on c-00", "light") is not None

    row("the first picture, with the start of its process", *await timed(draw, 1))
    row("a picture", *await timed(draw, repeats))


@click.command()
@click.option("--clusters", default=24, show_default=True)
@click.option("--repeats", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option(SERVE, "port", type=int, default=None, hidden=True)
def main(clusters: int, repeats: int, seed: int, port: int | None) -> None:
    """Print the table, and the conditions."""
    if port is not None:
        serve(port, clusters, seed)
        return
    port = free_port()
    command = [sys.executable, "-m", "bench.vitals", "--clusters", str(clusters), "--seed", str(seed)]
    with subprocess.Popen([*command, SERVE, str(port)]) as server:  # noqa: S603  (ourselves)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    httpx.get(f"{url}/-/healthy", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            print(f"{processor()}; Python {sys.version.split()[0]}; {repeats} repeats, seed {seed}\n")
            asyncio.run(measure(url, repeats))
        finally:
            server.terminate()
    print(f"\nThe aim: the loop never waits for longer than {AIM_LAG_MS:g} ms, beside what the machine makes it wait.")


if __name__ == "__main__":
    main()
