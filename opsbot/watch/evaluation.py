"""Evaluates every rule against the samples, and watches over the watching: a target that is gone is itself an alert.

Evaluation begins at once; what core still holds as firing is added when core can be asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from opsbot.alert.alert import Alert, AlertState
from opsbot.promql.evaluate import Instant
from opsbot.promql.labelset import Labels, freeze
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError
from opsbot.rule.evaluate import (
    END_ANNOTATION,
    PENDING_HELD_S,
    RULE_ANNOTATION,
    ActiveAlert,
    Reading,
    evaluate,
    restored,
    to_alert,
)
from opsbot.rule.hold import Hold
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.health import SourceHealth
from opsbot.source.scrape import Scraper
from opsbot.source.servers import NoAnswer
from opsbot.watch.departed import TAKEN_OUT, Departed
from opsbot.watch.held import Held
from opsbot.watch.recorder import Recorder

DOWN_ALERT = "MetricsSourceDown"
DOWN_AFTER_S = 3.0

logger = logging.getLogger(__name__)


class DownSource(Protocol):
    """Something beside targets without which the bot is blind."""

    @property
    def health(self) -> SourceHealth:
        """How it fares."""
        ...

    def down_alert(self, now: float) -> Alert:
        """The alert that says so."""
        ...


def read_samples(rule: Rule, instant: Instant) -> Reading:
    """What a rule's expressions yield on the samples of watch."""
    clear = rule.clear_expr
    return Reading(
        expr=instant.value(rule.expr),
        clear=instant.value(clear) if clear is not None else [],
        answerable=instant.answerable(rule.expr),
        clear_answerable=instant.answerable(clear) if clear is not None else frozenset(),
    )


@dataclass(slots=True)
class Evaluation:
    """The state of all rules.

    `errors` has the rules that could not be evaluated last time, and why.

    Args:
        at: what rules are evaluated on at a time; *store* alone if it is None.
        read: what a rule's expressions yield then; raises QueryError for a rule that cannot be evaluated, NoAnswer
            where its source, which is told of as a whole, says nothing.
    """

    store: SampleStore
    at: Callable[[float], Instant] | None = None
    read: Callable[[Rule, Instant], Reading] = read_samples
    errors: dict[str, str] = field(default_factory=dict)
    num_evaluations: int = 0
    recorder: Recorder = field(init=False)
    _states: dict[str, dict[Labels, ActiveAlert]] = field(default_factory=dict)
    _rules: dict[str, Rule] = field(default_factory=dict)
    _orphans: list[Alert] = field(default_factory=list)
    _down: dict[Labels, Alert] = field(default_factory=dict)
    _held: Held = field(default_factory=Held)
    _evaluated_at: float = 0.0

    def holds(self) -> Iterator[Hold]:
        """The timers of all pending and firing alerts, and those from before a restart that nothing took on yet."""
        yield from self._held.waiting
        for rule, state in self._states.items():
            for key, active in state.items():
                yield Hold(rule, key, active, active.last_true_at == self._evaluated_at)

    def resume(self, holds: Iterable[Hold], seen_at: float) -> None:
        """Go on with timers as they were seen last; before the first evaluation."""
        self._held = Held(list(holds), seen_at)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.store)

    def restore(self, rules: Iterable[Rule], firing: Iterable[Alert], now: float) -> None:
        """Go on from the alerts that core holds as firing; they keep the time at which they began."""
        for alert in firing:
            if alert.name == DOWN_ALERT:
                self._down[freeze(alert.labels)] = alert
            elif RULE_ANNOTATION in alert.annotations:
                self._orphans.append(alert)
        rules = list(rules)
        self._adopt(rules, now)
        self._held.untold(rules, self._states, now)

    def rules(
        self, rules: Sequence[Rule], now: float, *, is_complete: bool, recordings: Sequence[RecordingRule] = ()
    ) -> list[Alert]:
        """Record, then evaluate *rules*: every alert that fires, and those that have just resolved.

        *recordings* come in the order in which they ask for each other.
        Alerts of a rule that is gone resolve; those from before a restart only if *is_complete*, for else their
        rule may just be in a file that cannot be read.
        """
        self._evaluated_at = now
        self._held.pending(rules, self._states, now)
        self._adopt(rules, now)
        alerts = self._of_removed_rules(rules, now)
        self._rules = {rule.name: rule for rule in rules}
        if is_complete:
            alerts += [_over(orphan, now) for orphan in self._orphans]
            self._orphans.clear()
        instant = self.at(now) if self.at is not None else Instant(self.store, now)
        self.recorder.record(recordings, instant, now)
        self.num_evaluations += len(recordings)
        for rule in rules:
            state = self._states.get(rule.name, {})
            self.num_evaluations += 1
            try:
                next_state, found = evaluate(rule, state, self.read(rule, instant), now)
            except QueryError as error:
                self._note(rule, error)
                next_state = _held(state, now)
                found = [to_alert(rule, a, now) for a in next_state.values() if a.state is AlertState.FIRING]
            else:
                self.errors.pop(rule.name, None)
            self._states[rule.name] = next_state
            alerts += found
        return alerts

    def targets(self, scrapers: Iterable[Scraper], now: float, others: Iterable[DownSource] = ()) -> list[Alert]:
        """An alert for each target, and other source, that has not answered for a while: for it, the bot is blind."""
        alerts: list[Alert] = []
        down = dict(self._down)
        watched = [(scraper.health.failing_since, _down_alert(scraper, now)) for scraper in scrapers]
        watched += [(other.health.failing_since, other.down_alert(now)) for other in others]
        for since, fresh in watched:
            key = freeze(fresh.labels)
            known = down.pop(key, None)
            if since is not None and (known is not None or now - since >= DOWN_AFTER_S):
                self._down[key] = known or fresh
                alerts.append(self._down[key])
            elif known is not None:
                down[key] = known
        for key, gone in down.items():
            del self._down[key]
            # An alert of this name that another sender made is not ours to end.
            if RULE_ANNOTATION in gone.annotations:
                alerts.append(_over(gone, now))
        return alerts

    def departed(self, departed: Departed, now: float) -> list[Alert]:
        """End the alerts that nothing will answer for any more, since their target was taken out of its list.

        One that is not blind is left to its rule: a window may still have what the target said last.
        """
        alerts: list[Alert] = []
        for name, rule in self._rules.items():
            for key, active in list(self._states.get(name, {}).items()):
                if not active.is_blind or not departed.was_about(active.element_labels):
                    continue
                del self._states[name][key]
                if active.state is AlertState.FIRING:
                    over = to_alert(rule, replace(active, state=AlertState.RESOLVED), now)
                    alerts.append(replace(over, annotations={**over.annotations, END_ANNOTATION: TAKEN_OUT}))
        return alerts

    def shift(self, seconds: float) -> None:
        """Go on as if the clock had not been set forward by *seconds*: no `for` is over sooner for that."""
        for state in self._states.values():
            state.update({key: active.later(seconds) for key, active in state.items()})
        self._held.shift(seconds)
        self._evaluated_at += seconds

    def active(self, rule_name: str) -> list[ActiveAlert]:
        """The pending and firing alerts of a rule."""
        return list(self._states.get(rule_name, {}).values())

    def _note(self, rule: Rule, error: QueryError) -> None:
        if isinstance(error, NoAnswer):
            return
        if self.errors.get(rule.name) != str(error):
            logger.error("rule %s cannot be evaluated, its alerts are held: %s", rule.name, error)
        self.errors[rule.name] = str(error)

    def _adopt(self, rules: Iterable[Rule], now: float) -> None:
        """Give what core holds as firing to its rule; a rule whose file is not read yet gets it later."""
        by_name = {rule.name: rule for rule in rules}
        waiting, self._orphans = self._orphans, []
        for alert in waiting:
            rule = by_name.get(alert.name)
            if rule is None:
                self._orphans.append(alert)
                continue
            key, active = restored(rule, alert, now)
            active = self._held.resumed(rule, key, active, now)
            self._states.setdefault(rule.name, {})[key] = active

    def _of_removed_rules(self, rules: Sequence[Rule], now: float) -> list[Alert]:
        alerts: list[Alert] = []
        for name in self._states.keys() - {rule.name for rule in rules}:
            rule = self._rules.get(name)
            for active in self._states.pop(name).values():
                if active.state is AlertState.FIRING and rule is not None:
                    over = active.moved(AlertState.RESOLVED, now)
                    assert over is not None
                    alerts.append(to_alert(rule, over, now))
            self.errors.pop(name, None)
        return alerts


def _held(state: Mapping[Labels, ActiveAlert], now: float) -> dict[Labels, ActiveAlert]:
    """The alerts without any answer; what only begins is forgotten after a while, as without data."""
    return {
        key: replace(active, is_blind=True)
        for key, active in state.items()
        if active.state is AlertState.FIRING or now - active.last_true_at < PENDING_HELD_S
    }


def _over(alert: Alert, now: float) -> Alert:
    return replace(alert, state=AlertState.RESOLVED, ends_at=now)


def _down_alert(scraper: Scraper, now: float) -> Alert:
    target = scraper.target
    return Alert(
        labels={**target.labels, "alertname": DOWN_ALERT, "severity": "high"},
        annotations={
            "summary": f"No metrics from {target.cluster}",
            "description": (
                f"{target.instance} does not answer the scraper: {scraper.health.last_error}. "
                "What is shown about it is held, not recovered."
            ),
            RULE_ANNOTATION: DOWN_ALERT,
        },
        state=AlertState.FIRING,
        starts_at=now,
    )
