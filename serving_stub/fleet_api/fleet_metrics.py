"""`/metrics` of a live fleet: what its router sees, does and leaves out. Each cluster has a `/metrics` of its own."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving_stub.fleet.outage import Out, out_share, states_of
from serving_stub.fleet.router import Trust
from serving_stub.fleet.spec import FleetSpec
from serving_stub.fleet_api.cluster import LiveCluster
from serving_stub.fleet_api.live_router import LiveRouter
from serving_stub.fleet_api.load import FleetPlayer


class FleetMetrics:
    """The text of `/metrics`."""

    def __init__(
        self, fleet: FleetSpec, router: LiveRouter, player: FleetPlayer, clusters: Iterable[LiveCluster]
    ) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Live(fleet, router, player, tuple(clusters)))

    def exposition(self) -> bytes:
        """Prometheus's text, 0.0.4."""
        return generate_latest(self._registry)


class _Live(Collector):
    def __init__(
        self, fleet: FleetSpec, router: LiveRouter, player: FleetPlayer, clusters: tuple[LiveCluster, ...]
    ) -> None:
        self._fleet = fleet
        self._router = router
        self._player = player
        self._clusters = clusters

    def collect(self) -> Iterable[Metric]:
        router, out = self._router, self._router.out()
        info = GaugeMetricFamily(
            "serving_fleet_cluster_info", "What a cluster is.", labels=("cluster", "region", "gpu", "model_name")
        )
        weight = GaugeMetricFamily("serving_fleet_weight", "Weight in force.", labels=("cluster",))
        load = GaugeMetricFamily("serving_fleet_load", "As the router sees it; 1 is full.", labels=("cluster",))
        trust = GaugeMetricFamily(
            "serving_fleet_view_trust", "1 for how the router takes what it saw.", labels=("cluster", "trust")
        )
        is_out = GaugeMetricFamily(
            "serving_fleet_out", "1 for why a cluster takes no traffic.", labels=("cluster", "reason")
        )
        lost_s = CounterMetricFamily(
            "serving_fleet_lost_seconds", "Time that a simulation could not keep up with.", labels=("cluster",)
        )
        for cluster, seen in zip(self._clusters, router.seen(), strict=True):
            name, sizes = cluster.spec.name, cluster.spec.sizes
            info.add_metric((name, cluster.spec.region, f"{sizes.num_gpus} × {sizes.gpu}", cluster.spec.model.name), 1)
            weight.add_metric((name,), router.weights[name])
            load.add_metric((name,), seen.load)
            for one in Trust:
                trust.add_metric((name, one), float(seen.trust is one))
            for reason in Out:
                is_out.add_metric((name, reason), float(out.get(name) is reason))
            lost_s.add_metric((name,), cluster.pace.lost_s)
        yield from (info, weight, load, trust, is_out, lost_s)
        share = GaugeMetricFamily("serving_fleet_out_share", "Share of capacity that is out, 0 to 1.")
        share.add_metric((), out_share(states_of(self._fleet, out)))
        yield share
        routed = CounterMetricFamily("serving_fleet_routed", "Requests routed.", labels=("cluster", "way"))
        for (cluster_name, way), number in sorted(router.routed.items()):
            routed.add_metric((cluster_name, way), number)
        yield routed
        refused = CounterMetricFamily("serving_fleet_unrouted", "Requests that no cluster took.", labels=("reason",))
        for unrouted, number in sorted(router.refused.items()):
            refused.add_metric((unrouted,), number)
        yield refused
        weightless = CounterMetricFamily("serving_fleet_weightless", "Requests routed although all weights were 0.")
        weightless.add_metric((), router.num_weightless)
        yield weightless
        outcomes = CounterMetricFamily(
            "serving_fleet_simulated_requests", "Simulated requests that ended.", labels=("outcome",)
        )
        for outcome, number in sorted(self._player.outcomes.items()):
            outcomes.add_metric((outcome,), number)
        yield outcomes
