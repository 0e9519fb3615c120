"""Evaluates every rule against the samples, and watches over the watching: a target that is gone is itself an alert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import SourceError
from opsbot.promql.evaluate import evaluate as evaluate_query
from opsbot.promql.samples import NAME, Labels, SampleStore, freeze
from opsbot.promql.syntax import matchers, selectors
from opsbot.promql.vector import Value
from opsbot.rule.evaluate import ActiveAlert, Reading, evaluate, restored
from opsbot.rule.model import Rule
from opsbot.source.scrape import Scraper

DOWN_ALERT = "MetricsSourceDown"
DOWN_AFTER_S = 3.0


@dataclass(slots=True)
class Evaluation:
    """The state of all rules."""

    store: SampleStore
    _states: dict[str, dict[Labels, ActiveAlert]] = field(default_factory=dict)
    _down: dict[str, Alert] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def restore(self, rules: Iterable[Rule], firing: Iterable[Alert]) -> None:
        """Go on from the alerts that core holds as firing."""
        by_name = {rule.name: rule for rule in rules}
        for alert in firing:
            rule = by_name.get(alert.name)
            if rule is not None:
                key, active = restored(rule, alert)
                self._states.setdefault(rule.name, {})[key] = active
            elif alert.name == DOWN_ALERT:
                self._down[alert.labels.get("instance", "")] = alert

    def rules(self, rules: Sequence[Rule], now: float) -> list[Alert]:
        """Evaluate *rules*; alerts of rules that are gone resolve."""
        alerts: list[Alert] = []
        for rule in rules:
            try:
                reading = self._read(rule, now)
            except SourceError as error:
                self.errors[rule.name] = str(error)
                continue
            self.errors.pop(rule.name, None)
            self._states[rule.name], found = evaluate(rule, self._states.get(rule.name, {}), reading, now)
            alerts += found
        return alerts

    def targets(self, scrapers: Iterable[Scraper], now: float) -> list[Alert]:
        """An alert for each target that has not answered for a while: for it, the bot is blind."""
        alerts: list[Alert] = []
        for scraper in scrapers:
            key = scraper.target.instance
            since = scraper.health.failing_since
            if since is not None and now - since >= DOWN_AFTER_S:
                self._down.setdefault(key, _down_alert(scraper, now))
                alerts.append(self._down[key])
            elif since is None and key in self._down:
                gone = self._down.pop(key)
                alerts.append(Alert(gone.labels, gone.annotations, AlertState.RESOLVED, gone.starts_at, ends_at=now))
        return alerts

    def _read(self, rule: Rule, now: float) -> Reading:
        clear: Value = evaluate_query(rule.clear_expr, self.store, now) if rule.clear_expr is not None else []
        present: set[Labels] = set()
        for selector in selectors(rule.expr):
            for series in self.store.select(matchers(selector)):
                if series.at(now) is not None:
                    present.add(freeze({k: v for k, v in series.labels.items() if k != NAME}))
        return Reading(evaluate_query(rule.expr, self.store, now), clear, frozenset(present))


def _down_alert(scraper: Scraper, now: float) -> Alert:
    target = scraper.target
    cluster = target.labels.get("cluster", target.instance)
    return Alert(
        labels={**target.labels, "alertname": DOWN_ALERT, "severity": "high"},
        annotations={
            "summary": f"No metrics from {cluster}",
            "description": (
                f"{target.instance} does not answer the scraper: {scraper.health.last_error}. "
                "What is shown about it is held, not recovered."
            ),
        },
        state=AlertState.FIRING,
        starts_at=now,
    )
