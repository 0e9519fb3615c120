"""Which series of a history are played, and which rules cannot be evaluated on them.

Recorded series are computed anew, by the rules as they are now. Those whose windows are too short for what was kept are
taken as watch recorded them then; where it did not, the rules that ask for them are not evaluated.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.backtest.sight import asked, is_seen, named_in
from opsbot.history.reader import HistoryReader, Selection
from opsbot.promql.labelset import NAME, Labels, freeze
from opsbot.promql.matcher import Matcher, Matchers
from opsbot.promql.node import prepared
from opsbot.promql.reach import reaches
from opsbot.rule.model import RecordingRule, Rule
from opsbot.watch.sheet_key import key_of
from opsbot.yamlfile import format_duration

UP: Matchers = (Matcher(NAME, "=", "up"),)
"""Every scrape has it, also one that failed: it tells a target that is down from a watch that is."""


@dataclass(slots=True)
class PlayedSeries:
    """By how far apart the samples are.

    Args:
        recordings: each after those that it asks for.
    """

    reader: HistoryReader
    rules: Sequence[Rule]
    recordings: Sequence[RecordingRule]
    _chosen: dict[float, Selection] = field(default_factory=dict)
    _unseen: dict[float, dict[str, str]] = field(default_factory=dict)

    def at(self, resolution_s: float) -> Selection:
        """The series that are played: all that rules ask for, and every `up`."""
        if resolution_s not in self._chosen:
            every: list[Rule | RecordingRule] = [*self.rules, *self.recordings]
            wanted = {reach.matchers for rule in every for expr in asked(rule) for reach in reaches(prepared(expr))}
            taken = {(one.name, freeze(one.labels)) for one in self.recordings if not is_seen(one, resolution_s)}
            names = self.reader.keys()
            self._chosen[resolution_s] = {
                sheet: labels
                for sheet, labels in self.reader.selection({*wanted, UP}).items()
                if _is_played(key_of(names[sheet]), taken)
            }
        return self._chosen[resolution_s]

    def unseen(self, resolution_s: float) -> Mapping[str, str]:
        """The rules that cannot be evaluated, by name, and why."""
        if resolution_s not in self._unseen:
            there = {one[NAME] for labels in self.at(resolution_s).values() for one in labels.values()}
            apart = format_duration(resolution_s)
            why: dict[str, str] = {}
            missing: set[str] = set()
            every: list[Rule | RecordingRule] = [*self.recordings, *self.rules]
            for rule in every:
                is_recording = isinstance(rule, RecordingRule)
                if is_recording and rule.name in there:
                    continue
                needed = sorted(named_in(rule) & missing)
                if not is_seen(rule, resolution_s):
                    why[rule.name] = f"its windows are too short for samples that are {apart} apart"
                elif needed:
                    why[rule.name] = f"the windows of {needed[0]} are too short for samples that are {apart} apart"
                if is_recording and rule.name in why:
                    missing.add(rule.name)
            self._unseen[resolution_s] = why
        return self._unseen[resolution_s]


def _is_played(key: Hashable, taken: set[tuple[str, Labels]]) -> bool:
    match key:
        case ("recorded", str(name), tuple(labels)):
            return (name, labels) in taken
    return True
