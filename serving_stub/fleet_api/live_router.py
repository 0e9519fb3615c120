"""The router of a live fleet: looks at the clusters once a second, chooses for each request, and counts what it did."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from serving_stub.fleet.outage import Out
from serving_stub.fleet.route_knob import lost, weights_in_force
from serving_stub.fleet.router import Chosen, ClusterView, Decision, Refused, Seen, route, see
from serving_stub.fleet.smooth_draws import SmoothDraws
from serving_stub.fleet.spec import FleetSpec
from serving_stub.fleet_api.cluster import LiveCluster
from serving_stub.frontdoor.fold import Layers

VIEW_S = 1.0
"""How often it looks."""


class LiveRouter:
    """Used on the event loop only.

    Args:
        clusters: by name, in the file's order.
        seed: of its draws.
    """

    def __init__(
        self,
        fleet: FleetSpec,
        clusters: Mapping[str, LiveCluster],
        seed: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet = fleet
        self._clusters = clusters
        self._draws = SmoothDraws(seed)
        self._now = now
        self._views: dict[str, tuple[ClusterView, float]] = {}
        self._lost_by_lease: frozenset[str] = frozenset()
        self._lost_by_event: frozenset[str] = frozenset()
        self.routes: Layers = ()
        self.weights: Mapping[str, float] = weights_in_force(fleet, ())
        self.routed: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.num_weightless = 0

    # -- what leases and events set

    def set_routes(self, layers: Layers) -> None:
        """Obey the leases of `route`."""
        self.routes = layers
        self.weights = weights_in_force(self._fleet, layers)

    def set_lost(self, layers: Layers) -> None:
        """Obey the leases of `fault.lose`."""
        self._lost_by_lease = lost(self._fleet, layers)
        self._lose()

    def lose_by_event(self, names: Iterable[str], *, is_lost: bool) -> None:
        """Obey an event of the fleet's file or of a scenario."""
        gone = frozenset(names)
        self._lost_by_event = self._lost_by_event | gone if is_lost else self._lost_by_event - gone
        self._lose()

    # -- what it sees and chooses

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(VIEW_S)

    def look(self) -> None:
        """See each cluster that shows itself."""
        for name, cluster in self._clusters.items():
            seen = cluster.look()
            if seen is not None:
                self._views[name] = (seen, self._now())

    def seen(self) -> tuple[Seen, ...]:
        """Every cluster as it looks to the router now, in the file's order."""
        return tuple(see(view, self.weights[view.name], self._fleet.router) for view in self._view())

    def choose(self, country: str, model: str) -> Decision:
        """Where a request goes; counted."""
        draw = self._draws.next(country, model)
        decision = route(country, model, self._view(), self.weights, self._fleet.router, draw)
        if isinstance(decision, Refused):
            self.refused[decision.reason.value] += 1
        else:
            self.routed[decision.cluster, decision.way.value] += 1
            self.num_weightless += decision.is_weightless
        return decision

    @contextmanager
    def sent(self, chosen: Chosen) -> Iterator[LiveCluster]:
        """The cluster, with one more request of the router's own while the block lasts."""
        cluster = self._clusters[chosen.cluster]
        cluster.own_count += 1
        try:
            yield cluster
        finally:
            cluster.own_count -= 1

    def out(self) -> dict[str, Out]:
        """The clusters that take no traffic, and why; a weight that ramps is not out before it is 0."""
        found: dict[str, Out] = {}
        for name, cluster in self._clusters.items():
            why = cluster.out or (Out.WEIGHT_0 if self.weights[name] <= 0 else None)
            if why is not None:
                found[name] = why
        return found

    def _view(self) -> list[ClusterView]:
        now = self._now()
        views: list[ClusterView] = []
        for name, cluster in self._clusters.items():
            last, at = self._views.get(name, (None, 0.0))
            views.append(cluster.view(last, now - at if last is not None else float("inf")))
        return views

    def _lose(self) -> None:
        gone = self._lost_by_lease | self._lost_by_event
        for name, cluster in self._clusters.items():
            cluster.set_lost(is_lost=name in gone)
