"""A fleet in virtual time: arrivals, the router, and the file's events, on the real scheduler of each cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

from serving_stub.errors import SettingError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.router import ClusterView, Refused, route
from serving_stub.fleet.smooth_draws import SmoothDraws
from serving_stub.fleet.spec import Faulted, FleetEvent, FleetSpec, Lost, Restored
from serving_stub.sim.cluster import VirtualCluster
from serving_stub.sim.collector import collector_paused
from serving_stub.sim.outcome import Outcome

VIEW_S = 1.0
"""How often the router looks at the clusters."""
FAULTS = ("fault.slow_step_ms", "fault.lost_kv_blocks")
"""Those that mean something without HTTP."""

_Change = tuple[float, Callable[[], None]]


class VirtualFleet:
    """All clusters of *spec*.

    Args:
        events: in place of the file's own.
        models: only the clusters that serve one of them; all unless given.
        fixed_s: what a step costs beyond its roof, on every cluster.
        stepping: take each step of each cluster by itself; which is slow and comes to the same.

    Raises: SettingError for a fault that has no meaning here.
    """

    def __init__(
        self,
        spec: FleetSpec,
        *,
        events: Iterable[FleetEvent] | None = None,
        models: Collection[str] | None = None,
        seed: int = 0,
        fixed_s: float = 0.0,
        stepping: bool = False,
    ) -> None:
        self.spec = spec
        self.clusters = {
            one.name: VirtualCluster(one, fixed_s=fixed_s, stepping=stepping)
            for one in spec.clusters
            if models is None or one.model.name in models
        }
        self.num_weightless = 0
        self._weights = {one.name: one.weight for one in spec.clusters}
        self._draws = SmoothDraws(seed)
        self._changes = sorted(self._changes_of(spec.events if events is None else events), key=lambda one: one[0])
        self._views: dict[str, ClusterView] = {}
        self._seen_at = 0.0
        self._next_look = 0

    def run(self, arrivals: Iterable[Arrival], told: Callable[[Outcome], None] | None = None) -> list[Outcome]:
        """Serve *arrivals*, which are in order of time, to their end; *told* hears of each when it is routed."""
        return self.run_numbered(enumerate(arrivals), told)

    def run_numbered(
        self, arrivals: Iterable[tuple[int, Arrival]], told: Callable[[Outcome], None] | None = None
    ) -> list[Outcome]:
        """The same for arrivals that are part of a longer trace and keep their numbers."""
        with collector_paused():
            return self._serve(arrivals, told)

    def _serve(self, arrivals: Iterable[tuple[int, Arrival]], told: Callable[[Outcome], None] | None) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for number, arrival in arrivals:
            self._go_to(arrival.at_s)
            outcome = Outcome(arrival)
            self._route(arrival, outcome, number)
            outcomes.append(outcome)
            if told is not None:
                told(outcome)
        self._change_until(math.inf)
        for cluster in self.clusters.values():
            cluster.run_until(math.inf)
        return outcomes

    def _route(self, arrival: Arrival, outcome: Outcome, number: int) -> None:
        age_s = arrival.at_s - self._seen_at
        views = [
            view.later(age_s, self.clusters[name].num_in)
            for name, view in self._views.items()
            if view.model == arrival.model
        ]
        draw = self._draws.next(arrival.country, arrival.model)
        decision = route(arrival.country, arrival.model, views, self._weights, self.spec.router, draw)
        if isinstance(decision, Refused):
            outcome.refused = decision.reason.value
            return
        self.num_weightless += decision.is_weightless
        outcome.way = decision.way
        cluster = self.clusters[decision.cluster]
        cluster.run_until(arrival.at_s)
        cluster.add(arrival, outcome, number)

    def _go_to(self, at_s: float) -> None:
        """Look at each whole view interval until then, whoever arrives, with the changes between."""
        while (look_at := self._next_look * VIEW_S) <= at_s:
            self._change_until(look_at)
            self._look(look_at)
            self._next_look += 1
        self._change_until(at_s)

    def _look(self, at_s: float) -> None:
        for name, cluster in self.clusters.items():
            cluster.run_until(at_s)
            self._views[name] = cluster.view()
        self._seen_at = at_s

    def _change_until(self, at_s: float) -> None:
        while self._changes and self._changes[0][0] <= at_s:
            changed_at, change = self._changes.pop(0)
            for cluster in self.clusters.values():
                cluster.run_until(changed_at)
            change()
            self._look(changed_at)

    def _changes_of(self, events: Iterable[FleetEvent]) -> Iterable[_Change]:
        for event in events:
            # Where none of its clusters is here, the router looks again all the same, as in the whole fleet.
            yield event.at_s, _nothing
            for cluster in (self.clusters[name] for name in event.clusters if name in self.clusters):
                match event:
                    case Lost():
                        yield event.at_s, cluster.lose
                    case Restored():
                        yield event.at_s, cluster.restore
                    case Faulted():
                        yield event.at_s, _fault(cluster, event.knob, event.value)
                        yield event.at_s + event.for_s, _fault(cluster, event.knob, 0)


def _nothing() -> None:
    pass


def _fault(cluster: VirtualCluster, knob: str, value: int) -> Callable[[], None]:
    def slow_steps() -> None:
        cluster.step_delay_s = value / 1000

    match knob:
        case "fault.slow_step_ms":
            return slow_steps
        case "fault.lost_kv_blocks":
            return lambda: cluster.lose_blocks(value)
        case _:
            raise SettingError(f"{knob} means nothing in virtual time; {' and '.join(FAULTS)} do")
