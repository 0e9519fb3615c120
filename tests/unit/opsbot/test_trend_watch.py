"""Whether an incident whose alerts have ended is over: asked of a source, once for each question and cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.all_clear import ALL_CLEAR_ANNOTATION, Question, to_annotation
from opsbot.errors import SourceError
from opsbot.incident.incident import Hold, Incident
from opsbot.trend_watch import AGAIN_S, AGAIN_UNANSWERED_S, TrendWatch
from tests.support.incident_views import make_incident
from tests.support.outbox import ManualClock

QUESTION = to_annotation(Question("load", 1.0))


@dataclass(frozen=True, slots=True)
class Line:
    """One series."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(slots=True)
class World:
    """A source with one last value for each cluster, and a store that keeps what is answered."""

    loads: Mapping[str, float]
    is_away: bool = False
    asked: list[str] = field(default_factory=list)
    answers: list[tuple[Hold | None, str]] = field(default_factory=list)
    alerts: Sequence[Alert] = ()
    clock: ManualClock = field(default_factory=ManualClock)

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Line]:
        self.asked.append(text)
        if self.is_away:
            raise SourceError("nobody answers", retryable=True)
        return [Line({"cluster": name}, [(end_s, load)]) for name, load in self.loads.items()]

    def awaiting_all_clear(self, now: float) -> Sequence[tuple[Incident, Sequence[Alert]]]:
        return [(make_incident(), self.alerts)]

    def answer_all_clear(self, incident_id: str, hold: Hold | None, note: str, now: float) -> None:
        self.answers.append((hold, note))

    async def look(self) -> tuple[Hold | None, str]:
        """What is answered about the incident."""
        await TrendWatch(self, self, self.clock, lambda: None).look()
        return self.answers[-1]


def ended(cluster: str, pod: str = "a", question: str = QUESTION) -> Alert:
    """An alert that has ended."""
    labels = {"alertname": "Slow", "cluster": cluster, "pod": pod}
    return Alert(labels, {ALL_CLEAR_ANNOTATION: question}, AlertState.RESOLVED, 1.0, 2.0)


async def test_the_soonest_of_several_clusters_holds_it() -> None:
    """One question is asked once, however many alerts carry it."""
    world = World({"eu-1": 0.2, "eu-2": 1.3}, alerts=[ended("eu-1"), ended("eu-2"), ended("eu-2", "b")])
    hold, _ = await world.look()
    assert hold is not None
    assert (hold.reason, hold.severity) == ("It is at capacity: 130% of 100%", "high")
    assert hold.until == world.clock.now() + AGAIN_S
    assert world.asked == ["load"]


async def test_nothing_lethal_ends_it_with_a_reason() -> None:
    """What could not be told is said."""
    hold, note = await World({"eu-1": 0.2}, alerts=[ended("eu-1")]).look()
    assert (hold, note) == (None, "No trend can be told from 1 reading of the load")


async def test_a_source_that_is_away_is_no_all_clear() -> None:
    """It is asked again soon; the severity stays what it is."""
    world = World({}, is_away=True, alerts=[ended("eu-1")])
    hold, _ = await world.look()
    assert hold is not None
    assert "the metrics source does not answer" in hold.reason
    assert (hold.until, hold.severity) == (world.clock.now() + AGAIN_UNANSWERED_S, None)
