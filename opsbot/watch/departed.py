"""Targets that were taken out of their lists, and what was about them alone.

An alert about such a target would be held for ever: nobody will say again whether it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opsbot.promql.labelset import Labels, freeze

TAKEN_OUT = "its target was taken out of the list"
MAX_DEPARTED = 10_000
"""The oldest are forgotten first."""


@dataclass(slots=True)
class Departed:
    """The labels of targets that are gone, and of those in force."""

    _gone: dict[Labels, None] = field(default_factory=dict)
    _gone_of: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    _in_force_of: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)

    def update(self, gone: Iterable[Labels], in_force: Iterable[Mapping[str, str]]) -> None:
        """Take note of what has *gone*; what is *in_force* again is gone no more."""
        present = list(in_force)
        self._gone.update(dict.fromkeys(gone))
        for labels in present:
            self._gone.pop(freeze(labels), None)
        while len(self._gone) > MAX_DEPARTED:
            del self._gone[next(iter(self._gone))]
        self._gone_of, self._in_force_of = _by_cluster(map(dict, self._gone)), _by_cluster(present)

    def was_about(self, labels: Mapping[str, str]) -> bool:
        """Whether *labels*, those of an element, name targets that are all gone.

        They name those that agree in every label that both have, `cluster` among them.
        """
        cluster = labels.get("cluster")
        return (
            cluster is not None
            and any(_agree(target, labels) for target in self._gone_of.get(cluster, ()))
            and not any(_agree(target, labels) for target in self._in_force_of.get(cluster, ()))
        )


def _by_cluster(targets: Iterable[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    found: dict[str, list[Mapping[str, str]]] = {}
    for target in targets:
        found.setdefault(target["cluster"], []).append(target)
    return found


def _agree(target: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(name, value) == value for name, value in target.items())
