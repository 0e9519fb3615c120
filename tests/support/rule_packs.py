"""Runs the shipped rules over made-up histories, as promtool does: series as functions of time in, alerts out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opsbot.alert.alert import Alert, AlertState
from opsbot.history.file import Limits
from opsbot.promql.labelset import LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.rule.model import Rule
from opsbot.source.exposition import Exposition
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from tests.support.watching import StepClock

PACKS = Path(__file__).parents[2] / "policies/alerts"
START_S = 1_000_000.0
STEP_S = 5

Curve = Callable[[float], float]
"""A value by the seconds since the beginning."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told in a history."""

    alerts: tuple[Alert, ...]

    @property
    def fired(self) -> set[str]:
        """The names of all alerts that fired at some time."""
        return {alert.name for alert in self.alerts}

    def first(self, name: str) -> Alert:
        """The first telling of an alert."""
        return next(alert for alert in self.alerts if alert.name == name)

    def is_over(self, name: str) -> bool:
        """Whether the last that was told of an alert is that it is over."""
        last = [alert for alert in self.alerts if alert.name == name][-1]
        return last.state is AlertState.RESOLVED


def book() -> RuleBook:
    """The shipped rules."""

    def refuse(problem: object) -> None:
        raise AssertionError(problem)

    found = RuleBook([PACKS], refuse)
    found.reload()
    return found


def evaluated(series: Mapping[str, Curve], duration_s: float, step_s: int = STEP_S) -> Told:
    """The shipped rules over *series*, each written as in an exposition, from the beginning, a scrape each *step_s*."""
    rules, store, clock = book(), SampleStore(), StepClock(START_S)
    past = Durable(None, Limits(), store, clock)
    asyncio.run(past.start([*(one.expr for one in rules.rules), *(one.expr for one in rules.recordings)]))
    evaluation, sheet, told = Evaluation(store, past.long.at), store.sheet("target"), list[Alert]()
    names: dict[str, LabelSet] = {}
    for text in series:
        reader = Exposition({}, {})
        reader.read(f"{text} 0\n")
        (names[text],) = reader.labels
    labels = tuple(names.values())
    for passed in range(0, int(duration_s) + 1, step_s):
        now = START_S + passed
        sheet.append(now, labels, [curve(passed) for curve in series.values()])
        told += evaluation.rules(rules.rules, now, is_complete=True, recordings=rules.recordings)
        past.turn([evaluation], now)
    assert evaluation.errors == {}
    assert evaluation.recorder.num_failing == 0
    return Told(tuple(told))


def rule_named(name: str) -> Rule:
    """One of the shipped rules."""
    return next(rule for rule in book().rules if rule.name == name)
