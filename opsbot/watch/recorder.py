"""Recorded series: the results of recording rules, kept in the sample store beside what is scraped.

Each rule has a sheet of its own. What it no longer yields, or cannot compute, is stale from then on, so that an old
result never passes for a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from opsbot.promql.evaluate import Instant
from opsbot.promql.labelset import EMPTY, NAME, Labels, LabelSet, freeze
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import round_ms
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element
from opsbot.rule.model import RecordingRule

_Key = tuple[str, Labels]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Recorder:
    """Appends what recording rules yield to a store."""

    store: SampleStore
    _errors: dict[_Key, str] = field(default_factory=dict)
    _recorded: set[_Key] = field(default_factory=set)

    @property
    def num_failing(self) -> int:
        """How many rules could not be evaluated last time."""
        return len(self._errors)

    def error(self, rule: RecordingRule) -> str:
        """Why a rule could not be evaluated last time; empty if it could."""
        return self._errors.get(_key(rule), "")

    def record(self, rules: Iterable[RecordingRule], instant: Instant, now: float) -> None:
        """Evaluate *rules*, which come in the order in which they ask for each other."""
        gone = self._recorded
        self._recorded = set()
        for rule in rules:
            key = _key(rule)
            gone.discard(key)
            self._recorded.add(key)
            try:
                series = _series(rule, instant)
            except QueryError as error:
                if self._errors.get(key) != str(error):
                    logger.error("the series %s cannot be recorded: %s", rule.name, error)
                self._errors[key] = str(error)
                series = {}
            else:
                self._errors.pop(key, None)
            self._append(key, series, now)
        for key in gone:
            self._errors.pop(key, None)
            self._append(key, {}, now)

    def _append(self, key: _Key, series: dict[LabelSet, float], now: float) -> None:
        self.store.sheet(("recorded", *key)).append(round_ms(now), tuple(series), tuple(series.values()))


def _series(rule: RecordingRule, instant: Instant) -> dict[LabelSet, float]:
    value = instant.value(rule.expr)
    elements = [Element(EMPTY, value)] if isinstance(value, float) else value
    if rule.limit and len(elements) > rule.limit:
        raise QueryError(f"{len(elements)} series are more than the group's limit of {rule.limit}")
    own = freeze({**rule.labels, NAME: rule.name})
    series: dict[LabelSet, float] = {}
    for element in elements:
        labels = element.labels.overlaid(own)
        if labels in series:
            raise QueryError(f"two elements would be the same series {dict(labels)}")
        series[labels] = element.value
    return series


def _key(rule: RecordingRule) -> _Key:
    return rule.name, freeze(rule.labels)
