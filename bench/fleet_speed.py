"""How much faster than the clock virtual time is: skipping from event to event beside taking every step.

Both serve the same arrivals in turns and must come to the same outcomes, or the bench ends with an error.
`make bench-fleet`; the fleet in ten virtual minutes with `ARGS="--minutes 10"`.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import click

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import ClusterSpec
from serving_stub.fleet.lengths import CONVERSATION
from serving_stub.fleet.router import ClusterView, route
from serving_stub.fleet.scenarios import FLEET_SCENARIOS, FleetLoad, arrivals
from serving_stub.fleet.spec import LAUNCH_DAY, FleetSpec, load_fleet
from serving_stub.sim.cluster import VirtualCluster
from serving_stub.sim.fleet import VirtualFleet
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.parts import run_fleet

SCENARIO = FLEET_SCENARIOS["launch_day"]
NUM_SEQS = 64
ONE_CLUSTER_S = 600.0
STEP_OVERHEAD_S = 0.002
NUM_DECISIONS = 2000

Run = Callable[[bool], tuple[list[Outcome], int]]
"""Serves the same arrivals, stepping or not; answers the outcomes and the number of steps."""


def one_cluster(spec: FleetSpec, seed: int) -> Run:
    """Ten virtual minutes of a full batch: more wait from the start than can be served."""
    sizes = replace(spec.clusters[0].sizes, max_num_seqs=NUM_SEQS)
    alone = replace(spec.clusters[0], sizes=sizes)
    load = FleetLoad(alone.requests_per_s(*CONVERSATION.means), 2 * ONE_CLUSTER_S, seed, {alone.model.name: 1.0})
    coming = [replace(one, at_s=0.0) for one in arrivals(SCENARIO, load)]

    def run(stepping: bool) -> tuple[list[Outcome], int]:
        cluster = VirtualCluster(alone, fixed_s=STEP_OVERHEAD_S, stepping=stepping)
        outcomes = [Outcome(arrival) for arrival in coming]
        for number, outcome in enumerate(outcomes):
            cluster.add(outcome.arrival, outcome, number)
        cluster.run_until(ONE_CLUSTER_S)
        cluster.lose()  # whoever is not done is cut off, so that his tokens count
        return outcomes, cluster.num_steps

    return run


def whole_fleet(spec: FleetSpec, seed: int, minutes: float) -> Run:
    """The shipped fleet through its launch day, and until the last answer."""
    coming = fleet_arrivals(spec, seed, minutes)

    def run(stepping: bool) -> tuple[list[Outcome], int]:
        fleet = VirtualFleet(spec, seed=seed, fixed_s=STEP_OVERHEAD_S, stepping=stepping)
        return fleet.run(coming), sum(one.num_steps for one in fleet.clusters.values())

    return run


def fleet_arrivals(spec: FleetSpec, seed: int, minutes: float) -> list[Arrival]:
    """As `python -m serving_stub fleet` has them."""
    share = dict.fromkeys(spec.models, 0.0)
    for cluster in spec.clusters:
        share[cluster.model.name] += cluster.requests_per_s(*CONVERSATION.means)
    longest = min(cluster.sizes.max_model_len for cluster in spec.clusters)
    duration_s = 60 * minutes
    load = FleetLoad(sum(share.values()), duration_s, seed, share, longest=longest, day_s=duration_s)
    return list(arrivals(SCENARIO, load))


def side_by_side(name: str, run: Run, rounds: int) -> str:
    """A row; the processor's seconds are those of this process, so that who else is busy counts less."""
    times: dict[bool, list[float]] = {True: [], False: []}
    outcomes: dict[bool, list[Outcome]] = {}
    num_steps = 0
    for _ in range(rounds):
        for stepping in (False, True):
            began = time.process_time()
            outcomes[stepping], num_steps = run(stepping)
            times[stepping].append(time.process_time() - began)
        if outcomes[True] != outcomes[False]:
            raise click.ClickException(f"{name}: skipping does not come to what stepping comes to")
    slow, fast = statistics.median(times[True]), statistics.median(times[False])
    return f"| {name} | {len(outcomes[True]):,} | {num_steps:,} | {slow:.1f} | {fast:.1f} | {slow / fast:.1f} |"


def on_all_cores(spec: FleetSpec, seed: int, minutes: float) -> tuple[float, float]:
    """Seconds by the clock until the whole fleet is served, on one core and on all."""
    coming = fleet_arrivals(spec, seed, minutes)
    times, results = [], []
    for num_processes in (1, os.cpu_count() or 1):
        began = time.perf_counter()
        results.append(
            run_fleet(spec, coming, (), seed=seed, fixed_s=STEP_OVERHEAD_S, num_processes=num_processes).outcomes
        )
        times.append(time.perf_counter() - began)
    if results[0] != results[1]:
        raise click.ClickException("parts of the fleet do not come to what the whole comes to")
    return times[0], times[1]


def decision_us(spec: FleetSpec, seed: int) -> float:
    """A decision's median time over all clusters as if they served one model, each loaded at random."""
    rng = random.Random(seed)
    views = [_view(cluster, rng) for cluster in spec.clusters]
    weights = {cluster.name: cluster.weight for cluster in spec.clusters}
    countries = sorted({country for cluster in spec.clusters for country in cluster.countries})
    times = []
    for _ in range(NUM_DECISIONS):
        country, draw = rng.choice(countries), rng.random()
        began = time.perf_counter()
        route(country, "any", views, weights, spec.router, draw)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def _view(cluster: ClusterSpec, rng: random.Random) -> ClusterView:
    limit = cluster.sizes.max_num_seqs
    running = rng.randrange(limit)
    return ClusterView(
        name=cluster.name,
        model="any",
        countries=cluster.countries,
        batch_limit=limit,
        kv_usage=running / limit,
        running=running,
        waiting=0,
        wait_s=0.0,
        is_healthy=True,
        is_taking=True,
        age_s=0.5,
        own_count=running,
    )


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Virtual, of the fleet.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(minutes: float, rounds: int, seed: int) -> None:
    """Print what both take, and what a decision of the router takes."""
    spec = load_fleet(LAUNCH_DAY)
    click.echo(f"hardware: {platform.processor() or platform.machine()}, one core; Python {platform.python_version()}.")
    click.echo(
        f"fleet: {spec.name}, {len(spec.clusters)} clusters; a step costs {STEP_OVERHEAD_S * 1e3:g} ms beyond its roof."
    )
    click.echo(f"mix: launch_day's conversations, seed {seed}; medians of {rounds}, in turns.")
    click.echo("| virtual time | requests | steps | stepping, s | skipping, s | ratio |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    rows = [
        (f"one cluster of {NUM_SEQS} sequences, {ONE_CLUSTER_S / 60:g} min", one_cluster(spec, seed)),
        (f"{len(spec.clusters)} clusters, {minutes:g} min and until all are served", whole_fleet(spec, seed, minutes)),
    ]
    for name, run in rows:
        click.echo(side_by_side(name, run, rounds))
    alone, together = on_all_cores(spec, seed, minutes)
    click.echo(
        f"the fleet by the clock: {alone:.1f} s on one core, {together:.1f} s with each model's clusters on their own"
    )
    click.echo(f"a decision of the router over {len(spec.clusters)} clusters: {decision_us(spec, seed):.0f} µs")


if __name__ == "__main__":
    main()
