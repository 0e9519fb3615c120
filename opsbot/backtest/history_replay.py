"""Watch's own evaluation, driven over its history: the parts are those of the watch role, only the clock is ours.

Samples are read in windows and forgotten as watch forgets them, so memory holds a window and what rules look back on.
A time without any sample is one in which watch did not run: after it evaluation goes on as after a restart.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.alert.alert import Alert, AlertState
from opsbot.backtest.finding import Gap, RuleSight
from opsbot.backtest.played import PlayedSeries
from opsbot.backtest.sight import asked, is_seen, longest_reach_s, looked_back_on
from opsbot.backtest.steps import Window
from opsbot.history.file import Limits
from opsbot.history.level import COARSE, FINE, LEVELS
from opsbot.history.reader import HistoryReader
from opsbot.promql.block import Block
from opsbot.promql.evaluate import Instant
from opsbot.promql.node import prepared
from opsbot.promql.reach import reaches
from opsbot.promql.samples import SampleStore
from opsbot.rule.evaluate import Reading, to_alert
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.servers import NoAnswer
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation, read_samples
from opsbot.watch.sheet_key import key_of
from opsbot.yamlfile import format_duration

UNWATCHED_STEPS = 3
"""After so many steps of its resolution without any sample nobody watched."""
HOUSEKEEP_EVERY_S = 300.0
MOST_SAMPLES = 4_000_000
"""Of one window, 32 MB."""


@dataclass(slots=True)
class Hand:
    """A clock that stands where it is put."""

    at_s: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.at_s

    def monotonic(self) -> float:
        """Goes with it."""
        return self.at_s


@dataclass(slots=True)
class _Tape:
    """What is still to be played of one sheet."""

    key: Hashable
    block: Block
    column: int = 0


@dataclass(slots=True)
class HistoryReplay:
    """Rules over one history file.

    Args:
        recordings: each after those that it asks for.
    """

    reader: HistoryReader
    rules: Sequence[Rule]
    recordings: Sequence[RecordingRule]
    gaps: list[Gap] = field(default_factory=list)
    """When nobody watched."""
    errors: dict[str, str] = field(default_factory=dict)
    _clock: Hand = field(default_factory=Hand)
    _store: SampleStore = field(default_factory=SampleStore)
    _durable: Durable = field(init=False)
    _evaluation: Evaluation = field(init=False)
    _tapes: list[_Tape] = field(default_factory=list)
    _series: PlayedSeries = field(init=False)
    _steps: dict[str, list[int]] = field(default_factory=dict)
    _resolution_s: float = 0.0
    _unseen: frozenset[str] = frozenset()
    _computed: Sequence[RecordingRule] = ()
    _loaded_s: float = 0.0
    _newest_s: float = 0.0
    _first_s: float = 0.0
    _seen_at_s: float | None = None
    _unwatched_since_s: float | None = None
    _housekept_s: float = 0.0
    _looks_far: bool = False

    def __post_init__(self) -> None:
        self._series = PlayedSeries(self.reader, self.rules, self.recordings)
        self._durable = Durable(None, Limits(), self._store, self._clock)
        self._evaluation = self._fresh()
        self._steps = {rule.name: [0, 0] for rule in self.rules}

    @property
    def reach_s(self) -> float:
        """How much before the first instant must be read, so that every window is whole."""
        return longest_reach_s([*self.rules, *self.recordings], self.recordings)

    @property
    def num_refused(self) -> int:
        """Samples that memory had no room for."""
        return self._store.num_refused

    def most_steps(self, resolution_s: float, step_s: float) -> int:
        """How many instants a window may have, so that its samples are few enough to be held."""
        num_series = sum(map(len, self._series.at(resolution_s).values()))
        span_s = LEVELS[1].span_s if resolution_s >= COARSE.step_s else LEVELS[0].span_s
        num_samples = max(1, num_series) * span_s / resolution_s
        return max(1, int(span_s / step_s * min(1.0, MOST_SAMPLES / num_samples)))

    async def start(self, warm_up: Sequence[Window], first_s: float) -> None:
        """Get ready for an evaluation at *first_s*: play what the rules look back on before."""
        every: list[Rule | RecordingRule] = [*self.rules, *self.recordings]
        exprs = [expr for rule in every for expr in asked(rule)]
        self._looks_far = any(reach.step_s for expr in exprs for reach in reaches(prepared(expr)))
        self._first_s = first_s
        self._clock.at_s = warm_up[0].first_s if warm_up else first_s
        self._loaded_s = self._clock.at_s - UNWATCHED_STEPS * COARSE.step_s
        await self._durable.start(exprs)
        looked_back = {id(rule) for rule in looked_back_on(self.rules, self.recordings)}
        for window in warm_up:
            await self.load(window)
            for now in window.times:
                if now >= first_s:
                    break
                self._play(now)
                recordings = [rule for rule in self._computed if id(rule) in looked_back]
                if recordings:
                    self._evaluation.rules([], now, is_complete=False, recordings=recordings)
                self._turn(now)

    async def load(self, window: Window) -> None:
        """Read the samples of a window, which comes after the ones before."""
        if self._resolution_s != window.resolution_s:
            self._resolution_s = window.resolution_s
            unseen = self._series.unseen(self._resolution_s)
            self._unseen = frozenset(rule.name for rule in self.rules if rule.name in unseen)
            self._computed = [
                rule for rule in self.recordings if is_seen(rule, self._resolution_s) and rule.name not in unseen
            ]
        level = COARSE if window.resolution_s >= COARSE.step_s else FINE
        names = self.reader.keys()
        left = [tape for tape in self._tapes if tape.column < len(tape.block.times)]
        read = self.reader.blocks(self._series.at(window.resolution_s), level, self._loaded_s + 0.001, window.last_s)
        self._tapes = left + [_Tape(key_of(names[sheet]), block) for sheet, block in read]
        self._loaded_s = window.last_s

    async def round(self, now: float) -> list[Alert]:
        """Evaluate at *now*: every alert that fires and those that have just ended; nothing where nobody watched."""
        self._play(now)
        if now - self._newest_s > UNWATCHED_STEPS * self._resolution_s:
            if self._unwatched_since_s is None:
                self._unwatched_since_s = max(self._newest_s, self._first_s)
            return []
        self._watched_again(now)
        alerts = self._evaluation.rules(self.rules, now, is_complete=True, recordings=self._computed)
        self._seen_at_s = now
        for name, error in self._evaluation.errors.items():
            self.errors.setdefault(name, error)
        for rule in self.recordings:
            if error := self._evaluation.recorder.error(rule):
                self.errors.setdefault(rule.name, error)
        self._turn(now)
        return alerts

    def finish(self, until_s: float) -> None:
        """Nothing comes after *until_s*."""
        if self._unwatched_since_s is not None:
            self.gaps.append(Gap(self._unwatched_since_s, until_s))

    def sights(self, resolutions: Sequence[float]) -> Mapping[str, RuleSight]:
        """How well each rule was seen, over parts of these resolutions."""
        return {rule.name: self._sight(rule, resolutions) for rule in self.rules}

    def notes(self, resolutions: Sequence[float]) -> list[str]:
        """What is to be known beside that."""
        notes = []
        taken = [
            rule.name
            for rule in self.recordings
            if any(not is_seen(rule, one) and rule.name not in self._series.unseen(one) for one in resolutions)
        ]
        if taken:
            coarse = format_duration(max(resolutions))
            notes.append(
                f"Where samples are {coarse} apart the windows of {_named(taken)} are too short to be computed: there "
                "it is what watch recorded then, by the rules of that time."
            )
        failed = {rule.name for rule in self.recordings} & self.errors.keys()
        notes += [f"{name} could not be recorded: {self.errors[name]}" for name in sorted(failed)]
        if self.num_refused:
            notes.append(f"{self.num_refused} samples were left out: there are more series than memory has room for.")
        if self.reader.num_damaged:
            notes.append(f"{self.reader.num_damaged} parts of the history could not be read and are missing.")
        return notes

    def _fresh(self) -> Evaluation:
        return Evaluation(self._store, self._durable.long.at, read=self._read)

    def _read(self, rule: Rule, instant: Instant) -> Reading:
        if rule.name in self._unseen:
            raise NoAnswer(f"the windows of {rule.name} are too short for what was recorded")
        reading = read_samples(rule, instant)
        counts = self._steps[rule.name]
        counts[0] += 1
        counts[1] += not reading.answerable
        return reading

    def _sight(self, rule: Rule, resolutions: Sequence[float]) -> RuleSight:
        num_steps, num_blind = self._steps[rule.name]
        unseen = {one: self._series.unseen(one).get(rule.name, "") for one in sorted(resolutions)}
        why = next(filter(None, unseen.values()), "")
        unseen_at = tuple(one for one, said in unseen.items() if said)
        return RuleSight(num_steps, num_blind, why, self.errors.get(rule.name, ""), unseen_at)

    def _play(self, now: float) -> None:
        """Add the samples up to *now* as if they had just been scraped."""
        self._clock.at_s = now
        for tape in self._tapes:
            block = tape.block
            while tape.column < len(block.times) and block.times[tape.column] <= now:
                at_s = block.times[tape.column]
                self._store.sheet(tape.key).append(at_s, block.labels, block.values[:, tape.column].tolist())
                self._newest_s = max(self._newest_s, at_s)
                tape.column += 1

    def _turn(self, now: float) -> None:
        if self._looks_far:
            self._durable.turn([], now)
        if now - self._housekept_s >= HOUSEKEEP_EVERY_S:
            self._housekept_s = now
            self._store.forget_older(now)

    def _watched_again(self, now: float) -> None:
        if self._unwatched_since_s is None:
            return
        self.gaps.append(Gap(self._unwatched_since_s, now))
        self._unwatched_since_s = None
        if self._seen_at_s is not None:
            self._restart(now, self._seen_at_s)

    def _restart(self, now: float, seen_at_s: float) -> None:
        """Go on as watch does when it is started again: with its timers, and with what core holds as firing."""
        before, self._evaluation = self._evaluation, self._fresh()
        self._evaluation.resume(list(before.holds()), seen_at_s)
        firing = [
            to_alert(rule, active, now)
            for rule in self.rules
            for active in before.active(rule.name)
            if active.state is AlertState.FIRING
        ]
        self._evaluation.restore(self.rules, firing, now)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more recorded series"
