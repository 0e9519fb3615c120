"""Real alert rules over a test's series: they fire and end the alert themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opsbot.alert.alert import Alert
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.testing.action import BadMock
from opsbot.watch.evaluation import Evaluation
from opsbot.yamlfile import Problem


class RuledAlerts:
    """The rules of one file."""

    def __init__(self, path: Path, store: SampleStore) -> None:
        self._book = RuleBook([path], _refuse)
        self._book.reload()
        self._evaluation = Evaluation(store)

    def look(self, now: float) -> Sequence[Alert]:
        """Every alert that fires now, and those that have just ended."""
        return self._evaluation.rules(self._book.rules, now, is_complete=True, recordings=self._book.recordings)


def _refuse(problem: Problem) -> None:
    raise BadMock(str(problem))
