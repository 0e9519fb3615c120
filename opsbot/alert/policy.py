"""How alerts become incidents: which belong together, which hide others, and when one that comes and goes is held.

Pure values; the words are Alertmanager's (`group_by`, `group_wait`, `source_matchers`, `target_matchers`, `equal`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opsbot.alert.matching import LabelMatch
from opsbot.labels import fingerprint

ALL_LABELS = "..."
"""Alertmanager's own word in `group_by`: every label counts, so each alert is an incident of its own."""
GROUP_BY = ("alertname", "cluster")


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which alerts share an incident.

    Args:
        match: the alerts that it is about; None for all.
        group_by: labels whose values an incident's alerts share.
        group_wait_s: how long a new group collects alerts before its incident opens.
    """

    match: LabelMatch | None = None
    group_by: tuple[str, ...] = GROUP_BY
    group_wait_s: float = 0.0

    def key(self, labels: Mapping[str, str]) -> str:
        """The group of an alert: sixteen hex digits, equal for alerts that belong together."""
        if ALL_LABELS in self.group_by:
            return fingerprint(labels)
        return fingerprint({name: labels.get(name, "") for name in self.group_by})


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While a source alert fires, target alerts with equal values of `equal` open nothing."""

    source: LabelMatch
    target: LabelMatch
    equal: tuple[str, ...] = ()

    def hides(self, target: Mapping[str, str], source: Mapping[str, str]) -> bool:
        """Whether an alert with the labels *source* hides one with the labels *target*.

        As in Alertmanager, an alert that is both never hides itself, nor another that is both.
        """
        if not self.target.holds(target) or not self.source.holds(source):
            return False
        if self.source.holds(target) and self.target.holds(source):
            return False
        return all(target.get(name, "") == source.get(name, "") for name in self.equal)


@dataclass(frozen=True, slots=True)
class FlapDamping:
    """An alert that fired `count` times within `window_s` ends its incident only after `quiet_s` without firing."""

    count: int = 3
    window_s: float = 600.0
    quiet_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Storm:
    """From `count` incidents of one alert name within `window_s` on, further alerts of that name share one incident."""

    count: int = 10
    window_s: float = 60.0

    def key(self, name: str) -> str:
        """The group that a storm of alerts called *name* shares."""
        return fingerprint({"alertname": name, "opsbot_storm": "true"})


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What happens to alerts on their way to an incident; the first grouping that matches counts, then `default`.

    Args:
        is_paging: a pager beside Slack is told of incidents.
    """

    default: Grouping = Grouping()
    groupings: Sequence[Grouping] = ()
    inhibitions: Sequence[Inhibition] = ()
    flapping: FlapDamping = FlapDamping()
    storm: Storm = Storm()
    max_silence_s: float = 24 * 3600.0
    silence_warning_s: float = 15 * 60.0
    is_paging: bool = False

    def grouping(self, labels: Mapping[str, str]) -> Grouping:
        """The grouping of an alert."""
        for grouping in self.groupings:
            if grouping.match is None or grouping.match.holds(labels):
                return grouping
        return self.default

    def may_hide(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert may be the source of an inhibition."""
        return any(rule.source.holds(labels) for rule in self.inhibitions)

    def inhibitor(self, target: Mapping[str, str], sources: Iterable[tuple[str, Mapping[str, str]]]) -> str | None:
        """The fingerprint of the firing alert that hides *target*; *sources* are fingerprints and labels."""
        wanted = [rule for rule in self.inhibitions if rule.target.holds(target)]
        if not wanted:
            return None
        return next((mark for mark, source in sources if any(rule.hides(target, source) for rule in wanted)), None)
