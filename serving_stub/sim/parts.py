"""A fleet in virtual time on several cores: models share no cluster, so those of each model are a fleet of their own.

The parts come to what the whole would: arrivals keep their numbers, and routers look at the same times.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.spec import FleetEvent, FleetSpec
from serving_stub.sim.cluster import Tally
from serving_stub.sim.fleet import VirtualFleet
from serving_stub.sim.outcome import Outcome

WORTH_IT = 5_000
"""Arrivals below which a process is not worth its start."""

Numbered = Sequence[tuple[int, Arrival]]


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a run came to.

    Args:
        outcomes: in order of arrival.
        tallies: by cluster, in the file's order.
    """

    outcomes: tuple[Outcome, ...]
    tallies: Mapping[str, Tally]


def run_fleet(
    spec: FleetSpec,
    arrivals: Iterable[Arrival],
    events: Sequence[FleetEvent],
    *,
    seed: int = 0,
    fixed_s: float = 0.0,
    told: Callable[[Outcome], None] | None = None,
    num_processes: int | None = None,
) -> FleetRun:
    """Serve *arrivals* to their end, on as many cores as there are models, or fewer.

    Args:
        told: hears of this process's own part, the largest, when it is routed.
        num_processes: as many as the machine has cores unless given; one for a few arrivals.
    Raises: SettingError for a fault that has no meaning in virtual time.
    """
    numbered = list(enumerate(arrivals))
    most = num_processes or ((os.cpu_count() or 1) if len(numbered) >= WORTH_IT else 1)
    own, *others = _parts(spec, numbered, most)
    run = _Part(spec, tuple(events), seed, fixed_s)
    if not others:
        return _together(spec, [run.serve(*own, told)])
    # Spawned, not forked: this process may have threads.
    with ProcessPoolExecutor(len(others), multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(run.serve, models, mine) for models, mine in others]
        results = [run.serve(*own, told), *(one.result() for one in running)]
    return _together(spec, results)


@dataclass(frozen=True, slots=True)
class _Part:
    """What all parts of a run share; it goes to their processes."""

    spec: FleetSpec
    events: tuple[FleetEvent, ...]
    seed: int
    fixed_s: float

    def serve(
        self, models: Collection[str], arrivals: Numbered, told: Callable[[Outcome], None] | None = None
    ) -> tuple[list[tuple[int, Outcome]], dict[str, Tally]]:
        """Serve the part of *models*."""
        fleet = VirtualFleet(self.spec, events=self.events, models=models, seed=self.seed, fixed_s=self.fixed_s)
        outcomes = fleet.run_numbered(arrivals, told)
        numbers = (number for number, _ in arrivals)
        tallies = {name: cluster.tally() for name, cluster in fleet.clusters.items()}
        return list(zip(numbers, outcomes, strict=True)), tallies


def _parts(spec: FleetSpec, arrivals: Numbered, most: int) -> list[tuple[frozenset[str], Numbered]]:
    """At most *most* groups of models with their arrivals, about equal in tokens, the largest first.

    Arrivals for a model that nobody serves are in the largest, to be refused there.
    """
    tokens = dict.fromkeys(spec.models, 0)
    for _, arrival in arrivals:
        if arrival.model in tokens:
            tokens[arrival.model] += arrival.prompt_tokens + arrival.answer_tokens
    groups: list[list[str]] = [[] for _ in range(min(most, len(tokens)))]
    for model in sorted(tokens, key=lambda one: -tokens[one]):
        min(groups, key=lambda group: sum(tokens[one] for one in group)).append(model)
    groups.sort(key=lambda group: -sum(tokens[one] for one in group))
    group_of = {model: number for number, group in enumerate(groups) for model in group}
    mine: list[list[tuple[int, Arrival]]] = [[] for _ in groups]
    for number, arrival in arrivals:
        mine[group_of.get(arrival.model, 0)].append((number, arrival))
    return [(frozenset(group), part) for group, part in zip(groups, mine, strict=True)]


def _together(spec: FleetSpec, results: Iterable[tuple[list[tuple[int, Outcome]], dict[str, Tally]]]) -> FleetRun:
    outcomes: list[tuple[int, Outcome]] = []
    tallies: dict[str, Tally] = {}
    for some, theirs in results:
        outcomes += some
        tallies |= theirs
    outcomes.sort(key=lambda one: one[0])
    return FleetRun(tuple(outcome for _, outcome in outcomes), {one.name: tallies[one.name] for one in spec.clusters})
