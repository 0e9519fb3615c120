"""Rules asked of a Prometheus over its past: what watch asks of one instant, asked of many at once.

Evaluation is watch's own; only the answers come in windows, so memory holds one window of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from opsbot.alert.alert import Alert
from opsbot.backtest.finding import Gap, RuleSight
from opsbot.backtest.sight import moves_with_query
from opsbot.backtest.steps import Window
from opsbot.errors import SourceError
from opsbot.promql.evaluate import Instant
from opsbot.promql.labelset import LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Vector
from opsbot.rule.evaluate import Reading
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.fetch import TooLargeError
from opsbot.source.servers import NoAnswer, PrometheusServer
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.question import Question, question, reading_of_whole, recorded_series

TIMEOUT_S = 60.0
"""For one window of one rule."""
MAX_AT_ONCE = 4
STEPS_AT_ONCE = 360
MAX_GAP_POINTS = 10_000
ALIVE = "count(count_over_time(up[{step}s]))"
"""Yields something while the server scraped anything."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One series of an answer. Shapes: values and is_there are [instants of the window]."""

    labels: LabelSet
    values: NDArray[np.float64]
    is_there: NDArray[np.bool_]


@dataclass(slots=True)
class ServerReplay:
    """Rules over what one server has stored.

    Args:
        recordings: all of them; they are written out in the rules' queries.
    """

    server: PrometheusServer
    rules: Sequence[Rule]
    recordings: Sequence[RecordingRule]
    gaps: list[Gap] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    _evaluation: Evaluation = field(init=False)
    _own: Sequence[Rule] = field(init=False)
    _questions: dict[str, Question] = field(default_factory=dict)
    _answers: dict[str, list[_Line]] = field(default_factory=dict)
    _steps: dict[str, list[int]] = field(default_factory=dict)
    _window: Window | None = None
    _now: float = 0.0
    _index: int = 0
    begins_at: float = 0.0
    """Since when it has anything, as far as that was asked for."""
    _is_scraping: bool = True
    """Whether it has `up` at all; what is only written into it has not."""

    def __post_init__(self) -> None:
        labels = self.server.address.labels
        self._evaluation = Evaluation(SampleStore(), read=self._read)
        self._own = [replace(rule, labels={**labels, **rule.labels}) for rule in self.rules]
        self._steps = {rule.name: [0, 0] for rule in self.rules}

    @property
    def reach_s(self) -> float:
        """Nothing must be read before: the server looks back itself."""
        return 0.0

    def most_steps(self, resolution_s: float, step_s: float) -> int:
        """How many instants are asked at once."""
        return STEPS_AT_ONCE

    async def start(self, first_s: float, until_s: float) -> None:
        """Write the queries, and see when the server was there.

        Raises: SourceError if it does not answer.
        """
        recorded = recorded_series(self.recordings)
        for rule in self.rules:
            try:
                if moves_with_query(rule):
                    raise QueryError("it says `@ start()` or `@ end()`, which mean other instants over a span of time")
                self._questions[rule.name] = question(rule, recorded, self.server.address.interval_s)
            except QueryError as error:
                self.errors[rule.name] = str(error)
        step_s = max(60.0, float(round((until_s - first_s) / MAX_GAP_POINTS)))
        query = ALIVE.format(step=round(2 * step_s))
        address = self.server.address
        try:
            found = await self.server.ask_range(query, first_s, until_s, step_s, TIMEOUT_S)
        except SourceError as error:
            raise SourceError(
                f"the Prometheus {address.name} at {address.base_url}: {error}; `opsbot sources` looks at it, and "
                "--history names a history of watch to take instead",
                retryable=error.retryable,
            ) from error
        self._is_scraping, self.begins_at = bool(found), first_s
        if found:
            self.gaps = _gaps([at for at, _ in found[0][1]], first_s, until_s, step_s, address.name)
            if self.gaps and self.gaps[0].begins_at <= first_s:
                self.begins_at = self.gaps.pop(0).ends_at

    async def load(self, window: Window) -> None:
        """Ask for a window; a rule that the server refuses has no answer there.

        Raises: SourceError if the server does not answer.
        """
        self._window = window
        self._answers = {}
        waiting = iter(self._questions.items())
        failed: list[SourceError] = []

        async def work() -> None:
            for name, asked in waiting:
                if failed:
                    return
                try:
                    self._answers[name] = await self._asked(asked.whole, window)
                except QueryError as error:
                    self.errors.setdefault(name, str(error))
                except SourceError as error:
                    failed.append(error)

        await asyncio.gather(*(work() for _ in range(MAX_AT_ONCE)))
        if failed:
            raise failed[0]

    async def round(self, now: float) -> list[Alert]:
        """Evaluate at *now*, the next instant of the window."""
        assert self._window is not None
        self._index = round((now - self._window.first_s) / self._window.step_s)
        self._now = now
        return self._evaluation.rules(self._own, now, is_complete=True)

    def finish(self, until_s: float) -> None:
        """Nothing comes after *until_s*."""

    def sights(self, resolutions: Sequence[float]) -> Mapping[str, RuleSight]:
        """How well each rule was seen."""
        return {
            name: RuleSight(num_steps, num_blind, "", self.errors.get(name, ""))
            for name, (num_steps, num_blind) in self._steps.items()
        }

    def notes(self, resolutions: Sequence[float]) -> list[str]:
        """What is to be known beside that."""
        if self._is_scraping:
            return []
        name = self.server.address.name
        return [f"{name} has no series `up`, so a time in which it did not run looks like missing data."]

    def _read(self, rule: Rule, instant: Instant) -> Reading:
        lines = self._answers.get(rule.name)
        if lines is None or any(gap.begins_at <= self._now < gap.ends_at for gap in self.gaps):
            raise NoAnswer(f"{self.server.address.name} has no answer")
        vector: Vector = [
            Element(line.labels, float(line.values[self._index])) for line in lines if line.is_there[self._index]
        ]
        reading = reading_of_whole(vector, self.server.address.labels)
        counts = self._steps[rule.name]
        counts[0] += 1
        counts[1] += not reading.answerable
        return reading

    async def _asked(self, query: str, window: Window) -> list[_Line]:
        """The answer over a window; asked in halves where it is too large."""
        try:
            found = await self.server.ask_range(query, window.first_s, window.last_s, window.step_s, TIMEOUT_S)
        except TooLargeError:
            if window.count == 1:
                raise
            half = window.count // 2
            second = replace(window, first_s=round(window.first_s + half * window.step_s, 3), count=window.count - half)
            parts = [await self._asked(query, replace(window, count=half)), await self._asked(query, second)]
            return _joined(parts, [half, window.count - half])
        except SourceError as error:
            raise SourceError(f"{self.server.address.name}: {error}", retryable=error.retryable) from error
        return [_line(labels, points, window) for labels, points in found]


def _line(labels: LabelSet, points: Sequence[tuple[float, float]], window: Window) -> _Line:
    values, is_there = np.zeros(window.count), np.zeros(window.count, np.bool_)
    columns = [round((at - window.first_s) / window.step_s) for at, _ in points]
    values[columns] = [value for _, value in points]
    is_there[columns] = True
    return _Line(labels, values, is_there)


def _joined(parts: Sequence[Sequence[_Line]], counts: Sequence[int]) -> list[_Line]:
    """The lines of neighbouring windows of so many instants as those of one."""
    begins = [0, *np.cumsum(counts).tolist()]
    found: dict[LabelSet, _Line] = {}
    for part, begin, end in zip(parts, begins[:-1], begins[1:], strict=True):
        for line in part:
            whole = found.get(line.labels)
            if whole is None:
                whole = _Line(line.labels, np.zeros(begins[-1]), np.zeros(begins[-1], np.bool_))
                found[line.labels] = whole
            whole.values[begin:end], whole.is_there[begin:end] = line.values, line.is_there
    return list(found.values())


def _gaps(alive: Sequence[float], first_s: float, until_s: float, step_s: float, name: str) -> list[Gap]:
    """The times between the instants at which the server was alive; those stand *step_s* apart."""
    edges = [first_s - step_s, *alive, until_s + step_s]
    return [
        Gap(max(before, first_s), min(after, until_s), name)
        for before, after in pairwise(edges)
        if after - before > 1.5 * step_s
    ]
