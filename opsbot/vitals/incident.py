"""An incident's numbers: those that matter for its alert, now and over the last half hour."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opsbot.capacity.grid import Line
from opsbot.clock import Clock
from opsbot.incident.view import AlertView, IncidentView
from opsbot.vitals.figure import Figure, of_cluster
from opsbot.vitals.level import level_in
from opsbot.vitals.moment import Moment, moments_of
from opsbot.vitals.question import LABEL, labelled
from opsbot.vitals.reader import BEFORE_S
from opsbot.vitals.reading import Reading, readings_of
from opsbot.vitals.subject import figures_of, subject_of
from opsbot.vitals.vitals import Fleet

SPAN_S = 1800.0
STEP_S = 20.0
LEAST_S, BESIDE_S = 300.0, 30.0
AFTER_S = 300.0
"""How long after its end a resolved incident is shown."""

Points = Sequence[tuple[float, float]]


class Fleets(Protocol):
    """Reads the fleet; see `VitalsReader`."""

    async def fleet(self) -> Fleet: ...

    async def before(self) -> Fleet: ...


class History(Protocol):
    """A Prometheus API; raises SourceError when it does not answer."""

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Line]: ...


@dataclass(frozen=True, slots=True)
class Track:
    """One figure over time.

    Args:
        points: (seconds since the epoch, value), oldest first; what is missing is left out.
        level: where the alert's rule draws its line, or from where the figure is bad by itself; None without any.
        is_rule: whether the level is the rule's.
    """

    figure: Figure
    points: Points
    level: float | None
    is_rule: bool


@dataclass(frozen=True, slots=True)
class Course:
    """What an incident's numbers did between *begin_s* and *end_s*, and what happened meanwhile.

    Args:
        tracks: of figures that have points, the most telling first.
        step_s: between two points; a longer way apart they are not connected.
    """

    cluster: str
    begin_s: float
    end_s: float
    step_s: float
    tracks: tuple[Track, ...]
    moments: tuple[Moment, ...]

    @property
    def minutes(self) -> int:
        """How long it is."""
        return round((self.end_s - self.begin_s) / 60)


class IncidentVitals:
    """Answers what an incident's message shows.

    Args:
        rule_of: the expression of an alert's rule by its name; empty where it is not known. Called in a thread.
    """

    def __init__(
        self, fleets: Fleets, history: History, clock: Clock, rule_of: Callable[[str], str] = lambda name: ""
    ) -> None:
        self._fleets, self._history, self._clock, self._rule_of = fleets, history, clock, rule_of

    async def readings(self, view: IncidentView) -> tuple[Reading, ...]:
        """The two or three numbers that matter; empty where nothing is known of the cluster. Never raises."""
        cluster, figures, _ = await self._about(view)
        if cluster is None:
            return ()
        now, before = await asyncio.gather(self._fleets.fleet(), self._fleets.before())
        found = readings_of(figures, now.clusters.get(cluster), before.clusters.get(cluster), BEFORE_S)
        return found if any(one.value is not None for one in found) else ()

    async def course(self, view: IncidentView, now: float) -> Course | None:
        """The same over the last half hour, or the last of a resolved incident; None where there is no sample.

        Raises: SourceError if the source does not answer.
        """
        cluster, figures, rule = await self._about(view)
        if cluster is None:
            return None
        resolved_at = view.incident.resolved_at
        end_s = float(int(now if resolved_at is None else min(now, resolved_at + AFTER_S)))
        begin_s = end_s - SPAN_S
        text = labelled({figure.key: of_cluster(figure, cluster) for figure in figures})
        points: dict[str, list[tuple[float, float]]] = {}
        for line in await self._history.query_range(text, begin_s, end_s, STEP_S):
            own = [(at, value) for at, value in line.points if math.isfinite(value)]
            points.setdefault(line.labels.get(LABEL, ""), []).extend(own)
        tracks = tuple(_track(figure, sorted(points[figure.key]), rule) for figure in figures if points.get(figure.key))
        if not tracks:
            return None
        # What is younger than half an hour is shown larger, from a little before its first sample or its opening.
        first_s = min(min(track.points[0][0] for track in tracks), view.incident.opened_at)
        begin_s = max(begin_s, min(first_s - BESIDE_S, end_s - LEAST_S))
        return Course(cluster, begin_s, end_s, STEP_S, tracks, moments_of(view))

    async def _about(self, view: IncidentView) -> tuple[str | None, tuple[Figure, ...], str]:
        """The cluster that it is about, its figures, and its rule where that is known."""
        labels, name = _labels(view)
        rule = await asyncio.to_thread(self._rule_of, name)
        return labels.get("cluster"), figures_of(subject_of(name, labels, rule)), rule


def _labels(view: IncidentView) -> tuple[Mapping[str, str], str]:
    """What the incident's first alert carries, and that alert's name."""
    incident = view.incident
    lead: AlertView | None = next((one for one in view.alerts if one.fingerprint == incident.lead), None)
    if lead is None and view.alerts:
        lead = view.alerts[0]
    labels = {**(lead.labels if lead else {}), **incident.labels}
    return labels, lead.name if lead else labels.get("alertname", "")


def _track(figure: Figure, points: Points, rule: str) -> Track:
    level = level_in(rule, figure) if rule else None
    return Track(figure, points, figure.tight if level is None else level, level is not None)
