"""What the watch role shows of itself: its metrics, its targets, its rules and their alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from opsbot.alert.alert import AlertState
from opsbot.clock import to_rfc3339
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.rule.evaluate import ActiveAlert
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.scrape import Scraper
from opsbot.watch.door import DoorClient
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.remote import ServerRules
from opsbot.watch.roster import Roster
from opsbot.watch.source_status import source_metrics, sources
from opsbot.watch.timings import WatchTimings


@dataclass(slots=True)
class Rounds:
    """What the watcher counts of its rounds.

    Args:
        num_late: those that took longer than the interval.
        evaluating_s: processor time that evaluating took.
        last_at_s: when the last one was evaluated, on the monotonic clock; None before the first.
    """

    num_rounds: int = 0
    num_late: int = 0
    evaluating_s: float = 0.0
    last_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """Reads the watcher's parts when it is asked; nothing is counted twice."""

    store: SampleStore
    roster: Roster
    book: RuleBook
    evaluation: Evaluation
    servers: Sequence[ServerRules]
    door: DoorClient
    rounds: Rounds
    durable: Durable
    timings: WatchTimings = field(default_factory=WatchTimings)

    @property
    def scrapers(self) -> Sequence[Scraper]:
        """Those of the targets in force."""
        return self.roster.scrapers

    def exposition(self) -> str:
        """Its own metrics, text 0.0.4."""
        registry = CollectorRegistry()
        registry.register(_Collector(self))
        return generate_latest(registry).decode() + generate_latest(self.timings.registry).decode()

    def target_list(self) -> Sequence[Mapping[str, object]]:
        """Its targets, as Prometheus lists them."""
        return [
            {
                "scrapePool": scraper.target.job,
                "scrapeUrl": scraper.target.url,
                "labels": dict(scraper.target.labels),
                "health": _health(scraper),
                "lastError": scraper.health.last_error,
                "lastScrapeDuration": scraper.health.last_duration_s,
                "samplesRefused": scraper.health.num_refused,
                "samplesDuplicate": scraper.health.num_duplicates,
            }
            for scraper in self.scrapers
        ]

    def source_list(self) -> Sequence[Mapping[str, object]]:
        """The Prometheus servers and the lists of targets, and how they fare."""
        return sources(self.servers, self.roster.discoveries)

    def rule_groups(self) -> Sequence[Mapping[str, object]]:
        """Its rules and their alerts, as Prometheus lists them; a file is a group."""
        groups: dict[str, list[Mapping[str, object]]] = {}
        for recording in self.book.recordings:
            groups.setdefault(recording.origin, []).append(self._recording(recording))
        for rule in self.book.rules:
            groups.setdefault(rule.origin, []).append(self._rule(rule))
        return [{"name": origin, "file": origin, "rules": rules} for origin, rules in groups.items()]

    def _recording(self, rule: RecordingRule) -> Mapping[str, object]:
        error = self.evaluation.recorder.error(rule)
        return {
            "type": "recording",
            "name": rule.name,
            "query": rule.expr.prettify(),
            "labels": dict(rule.labels),
            "health": "err" if error else "ok",
            "lastError": error,
        }

    def _rule(self, rule: Rule) -> Mapping[str, object]:
        evaluations = [self.evaluation, *(server.evaluation for server in self.servers)]
        alerts = [active for evaluation in evaluations for active in evaluation.active(rule.name)]
        states = {active.state for active in alerts}
        error = "; ".join(filter(None, (evaluation.errors.get(rule.name) for evaluation in evaluations)))
        state = next((s.value for s in (AlertState.FIRING, AlertState.PENDING) if s in states), "inactive")
        return {
            "type": "alerting",
            "name": rule.name,
            "query": rule.expr.prettify(),
            "duration": rule.for_s,
            "labels": dict(rule.labels),
            "annotations": dict(rule.annotations),
            "state": state,
            "health": "err" if error else "ok",
            "lastError": error,
            "alerts": [_alert(active) for active in alerts],
        }

    def metrics(self) -> Iterator[Metric]:
        """Its own metrics, as the client library's families."""
        scrapes = CounterMetricFamily("opsbot_watch_scrapes", "Scrapes of a target.", labels=["cluster", "instance"])
        failures = CounterMetricFamily(
            "opsbot_watch_scrape_failures", "Scrapes that failed.", labels=["cluster", "instance"]
        )
        seconds = GaugeMetricFamily(
            "opsbot_watch_scrape_duration_seconds", "How long the last scrape took.", labels=["cluster", "instance"]
        )
        for scraper in self.scrapers:
            labels = [scraper.target.cluster, scraper.target.labels["instance"]]
            scrapes.add_metric(labels, scraper.health.num_scrapes)
            failures.add_metric(labels, scraper.health.num_failures)
            seconds.add_metric(labels, scraper.health.last_duration_s)
        up = sum(_health(scraper) == "up" for scraper in self.scrapers)
        yield from (scrapes, failures, seconds)
        yield from source_metrics(self.servers, self.roster.discoveries)
        yield GaugeMetricFamily("opsbot_watch_targets_up", "Targets that answer.", value=up)
        yield GaugeMetricFamily("opsbot_watch_series", "Series held in memory.", value=self.store.num_series)
        yield GaugeMetricFamily("opsbot_watch_samples", "Samples held in memory.", value=self.store.num_samples)
        yield CounterMetricFamily(
            "opsbot_watch_samples_refused", "Samples of series beyond the limit.", value=self.store.num_refused
        )
        num_rules = len(self.book.rules) + len(self.book.recordings)
        yield GaugeMetricFamily("opsbot_watch_rules", "Rules in force.", value=num_rules)
        evaluations = [self.evaluation, *(server.evaluation for server in self.servers)]
        failing = {name for evaluation in evaluations for name in evaluation.errors}
        num_failing = len(failing) + self.evaluation.recorder.num_failing
        yield GaugeMetricFamily("opsbot_watch_rules_failing", "Rules that cannot be evaluated.", value=num_failing)
        yield CounterMetricFamily(
            "opsbot_watch_rounds", "Rounds of scraping and evaluating.", value=self.rounds.num_rounds
        )
        yield CounterMetricFamily(
            "opsbot_watch_rounds_late", "Rounds that took longer than the interval.", value=self.rounds.num_late
        )
        yield CounterMetricFamily(
            "opsbot_watch_evaluation_cpu_seconds",
            "Processor time that evaluating rules took.",
            value=self.rounds.evaluating_s,
        )
        yield CounterMetricFamily(
            "opsbot_watch_evaluations", "Evaluations of a rule.", value=sum(one.num_evaluations for one in evaluations)
        )
        yield CounterMetricFamily("opsbot_watch_door_posts", "Posts that core took.", value=self.door.num_posts)
        yield CounterMetricFamily(
            "opsbot_watch_door_failures", "Posts that core did not take.", value=self.door.num_failures
        )
        yield GaugeMetricFamily(
            "opsbot_watch_last_delivery_timestamp_seconds",
            "When core took alerts last; 0 before the first time.",
            value=self.door.last_post_at,
        )
        yield GaugeMetricFamily(
            "opsbot_watch_alerts_due", "Changes of alerts that core has not taken yet.", value=self.door.num_due
        )
        yield from self.durable.metrics()


class _Collector:
    """Lets the client library read the status."""

    def __init__(self, status: WatchStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from self._status.metrics()


def _health(scraper: Scraper) -> str:
    if scraper.health.num_scrapes == 0:
        return "unknown"
    return "up" if scraper.health.failing_since is None else "down"


def _alert(active: ActiveAlert) -> Mapping[str, object]:
    return {
        "state": active.state.value,
        "labels": dict(active.labels),
        "activeAt": to_rfc3339(active.active_since),
        "value": "" if active.value is None else repr(active.value),
        "blind": active.is_blind,
    }
