"""Whose numbers an incident shows, and which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from opsbot.capacity.grid import Line
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import AlertView, IncidentView
from opsbot.source.prometheus import SampleSeries
from opsbot.vitals.incident import AFTER_S, SPAN_S, IncidentVitals
from opsbot.vitals.vitals import Fleet, Vitals
from tests.support.incident_views import OPENED_AT, make_incident, make_view
from tests.support.watching import StepClock


@dataclass
class Fleets:
    """One answer each."""

    now: Fleet
    past: Fleet = field(default_factory=lambda: Fleet(0.0))

    async def fleet(self) -> Fleet:
        return self.now

    async def before(self) -> Fleet:
        return self.past


@dataclass
class History:
    """Answers *lines* and notes what was asked."""

    lines: Sequence[Line] = ()
    asked: list[tuple[str, float, float]] = field(default_factory=list)

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Line]:
        self.asked.append((text, start_s, end_s))
        return self.lines


def alert(fingerprint: str, name: str, **labels: str) -> AlertView:
    """An alert that fires."""
    return AlertView(fingerprint, name, "", "high", {"alertname": name, **labels}, True, OPENED_AT, None, None)


def vitals(fleets: Fleets, history: History | None = None, rule: str = "") -> IncidentVitals:
    """What is under test."""
    return IncidentVitals(fleets, history or History(), StepClock(), lambda name: rule)


def view_of(*alerts: AlertView, lead: str = "") -> IncidentView:
    """An incident whose own labels name no cluster."""
    return replace(make_view(replace(make_incident(), labels={}, lead=lead)), alerts=alerts)


FLEET = Fleet(1.0, {"eu": Vitals("eu", waiting=9, running=3, ttft_s=1.0), "us": Vitals("us", waiting=1)})


async def test_the_first_alert_says_which_cluster_and_which_numbers() -> None:
    """An incident of several clusters is told by the one that began it."""
    view = view_of(alert("b", "RequestsFail", cluster="us"), alert("a", "QueueGrows", cluster="eu"), lead="a")
    found = await vitals(Fleets(FLEET)).readings(view)
    assert [(one.key, one.text) for one in found] == [("waiting", "9"), ("ttft", "1 s"), ("running", "3")]


async def test_a_rule_of_somebody_elses_is_told_by_what_it_asks() -> None:
    """The name says nothing; the expression does."""
    view = view_of(alert("a", "Paged", cluster="eu"))
    found = await vitals(Fleets(FLEET), rule="vllm:num_requests_waiting > 5").readings(view)
    assert [one.key for one in found] == ["waiting", "ttft", "running"]


@pytest.mark.parametrize(
    "view",
    [view_of(), view_of(alert("a", "BotRoleDown")), view_of(alert("a", "KVCachePressure", cluster="nowhere"))],
    ids=["no alert", "no cluster", "unknown cluster"],
)
async def test_without_a_cluster_that_is_known_there_are_no_numbers(view: IncidentView) -> None:
    """Three times "not known" helps nobody."""
    assert await vitals(Fleets(FLEET)).readings(view) == ()


async def test_the_course_is_the_last_half_hour() -> None:
    """Of a resolved incident until shortly after its end; only figures with points, and no other cluster's samples."""
    points = ((OPENED_AT - 1800, 0.5), (OPENED_AT + 15, math.nan))
    line = SampleSeries({"figure": "kv", "cluster": "local"}, points)
    history = History([line])
    view = make_view(make_incident(IncidentState.RESOLVED, resolved_at=OPENED_AT + 60))
    course = await vitals(Fleets(FLEET), history).course(view, OPENED_AT + 86_400)
    assert course is not None
    assert (course.end_s, course.begin_s) == (OPENED_AT + 60 + AFTER_S, OPENED_AT + 60 + AFTER_S - SPAN_S)
    assert [(one.figure.key, one.points, one.level) for one in course.tracks] == [("kv", [points[0]], 0.85)]
    ((text, start_s, end_s),) = history.asked
    assert (start_s, end_s) == (course.begin_s, course.end_s)
    assert text.count('cluster="local"') == 6


@pytest.mark.parametrize(
    ("first_s", "opened_s", "minutes"), [(120, 60, 5), (1200, 60, 20), (1200, 1500, 26), (7200, 60, 30)]
)
async def test_what_is_young_is_shown_larger(first_s: float, opened_s: float, minutes: int) -> None:
    """From its first sample or its opening on, five minutes at least."""
    now = OPENED_AT + opened_s
    line = SampleSeries({"figure": "kv", "cluster": "local"}, ((now - first_s, 0.5), (now - 15, 0.6)))
    course = await vitals(Fleets(FLEET), History([line])).course(make_view(), now)
    assert course is not None
    assert course.minutes == minutes


async def test_without_samples_there_is_no_course() -> None:
    """And nothing is drawn."""
    assert await vitals(Fleets(FLEET)).course(make_view(), OPENED_AT) is None
    assert await vitals(Fleets(FLEET)).course(view_of(), OPENED_AT) is None
