"""Escalations over a real store: who is woken when, what stops it, what goes on, and nobody twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from opsbot.alert.policy import AlertPolicy, FlapDamping
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import EscalationView
from opsbot.oncall.model import Rota
from opsbot.people import Person
from opsbot.store import schema
from opsbot.store.database import StoreError
from opsbot.store.repositories import Repositories
from tests.support.alert_night import Night
from tests.support.rotas import AFTER_S, ANNA, BEN, DANA, on_call, person, policy, rota, schedule

pytestmark = pytest.mark.integration

TWO_LEVELS = rota(policy([on_call()], [person(BEN), person(DANA)]))
U1 = Person("U1", frozenset({"responder"}), "Slack")


class Shift:
    """A night with somebody on call."""

    def __init__(self, folder: Path, policy: AlertPolicy | None = None) -> None:
        self.night = Night(folder, policy, rota=TWO_LEVELS)

    def after(self, seconds: float) -> None:
        """Move the clock and do what core does each second."""
        self.night.after(seconds)
        self.night.stores.escalations.review(self.night.now)

    def acknowledge(self, incident_id: str = "INC-1", user_id: str = "U1") -> None:
        """As the desk does."""
        note = TimelineEntry(
            f"{incident_id}:acknowledged:{user_id}", incident_id, self.night.now, user_id, "incident.acknowledged", "A"
        )
        self.night.stores.incidents.move(
            incident_id, IncidentState.ACKNOWLEDGED, self.night.now, note=note, user_id=user_id
        )

    def woken(self, incident_id: str = "INC-1") -> list[str]:
        """Who was named in each wake, in order; `nobody` for a level that had nobody, `end` for the last word."""
        said = []
        for entry in self.night.view(incident_id).timeline:
            match entry.kind:
                case "escalation.notified":
                    assert entry.is_broadcast
                    said.append(entry.text.split(":")[0])
                case "escalation.nobody":
                    said.append("nobody")
                case "escalation.unanswered":
                    said.append("end")
        return said

    def escalation(self, incident_id: str = "INC-1") -> EscalationView:
        """What its message shows."""
        found = self.night.view(incident_id).escalation
        assert found is not None
        return found


@pytest.fixture
def shift(tmp_path: Path) -> Iterator[Shift]:
    """Anna is on call; ben and dana are woken after five minutes."""
    made = Shift(tmp_path)
    yield made
    made.night.database.close()


def test_the_first_level_is_woken_with_the_incident(shift: Shift) -> None:
    """In its transaction: who, what, by when, and what comes then."""
    shift.night.fire("Slow", severity="critical")
    (text,) = [entry.text for entry in shift.night.view().timeline if entry.kind == "escalation.notified"]
    assert text == (
        "@U0ANNA: please take INC-1 (critical): Slow on eu-1. Level 1 of 2: `/ops ack` within 5m, by 00:21:40 UTC; "
        "level 2 is woken then"
    )
    assert shift.escalation() == EscalationView("urgent", "waiting", 1, 2, ("anna",), 1000 + AFTER_S)


def test_nobody_answers(shift: Shift) -> None:
    """Each level at its time and once, and at the end it is said that nobody answered."""
    shift.night.rota = rota(policy([on_call()], [person(BEN), person(DANA)], repeat=1))
    shift.night.fire("Slow")
    for _ in range(9):
        shift.after(AFTER_S / 2)
    both = "@U0BEN, @U0DANA"
    assert shift.woken() == ["@U0ANNA", both, "@U0ANNA", both, "end"]
    for _ in range(5):
        shift.after(AFTER_S)
    assert len(shift.woken()) == 5
    assert shift.night.said()[-1].startswith("Nobody answered: every level of urgent was asked, 2 times over")
    assert shift.escalation().state == "unanswered"


def test_an_acknowledgement_stops_it(shift: Shift) -> None:
    """Even one that comes when the next level is due already."""
    shift.night.fire("Slow")
    shift.night.now += AFTER_S
    shift.acknowledge()
    shift.after(AFTER_S)
    assert shift.woken() == ["@U0ANNA"]


def test_a_resolved_incident_wakes_nobody(shift: Shift) -> None:
    """And its escalation is over for good."""
    shift.night.fire("Slow")
    shift.night.end("Slow")
    shift.after(AFTER_S)
    assert (shift.woken(), shift.escalation().state) == (["@U0ANNA"], "over")


def test_a_merged_incident_wakes_nobody(shift: Shift) -> None:
    """The other one does, if nobody has that."""
    shift.night.fire("Slow")
    shift.night.fire("Dark")
    shift.night.stores.handling.merge("INC-2", "INC-1", U1, shift.night.now)
    shift.after(AFTER_S)
    assert (len(shift.woken("INC-1")), len(shift.woken("INC-2"))) == (2, 1)


def test_a_silence_stops_it_and_its_end_goes_on(shift: Shift) -> None:
    """With what was left of the deadline; it is said why nobody is woken."""
    shift.night.fire("Slow")
    shift.night.now += 100
    shift.night.silence('alertname="Slow"', length_s=1000)
    shift.after(AFTER_S)
    shift.after(AFTER_S)
    assert shift.woken() == ["@U0ANNA"]
    assert shift.night.said()[-1].startswith("Nobody is woken while SIL-1 silences what fires")
    shift.after(1000)
    assert shift.woken() == ["@U0ANNA", "@U0BEN, @U0DANA"]


def test_a_silence_of_a_part_stops_nothing(shift: Shift) -> None:
    """Something else of the incident still fires."""
    shift.night.fire("Slow", pod="a")
    shift.night.fire("Slow", pod="b")
    shift.night.silence('pod="a"', length_s=1000)
    shift.after(AFTER_S)
    assert len(shift.woken()) == 2


def test_what_comes_and_goes_is_not_woken_for_while_quiet(tmp_path: Path) -> None:
    """When it fires again and nobody has it, the escalation goes on with what was left."""
    shift = Shift(tmp_path, AlertPolicy(flapping=FlapDamping(2, 3600, 3000)))
    shift.night.fire("Slow")
    shift.night.now += 50
    shift.night.end("Slow")
    shift.night.now += 50
    shift.night.fire("Slow")
    shift.after(100)
    shift.night.end("Slow")
    shift.after(1)
    shift.after(AFTER_S)
    incident_id = shift.night.open_ids()[-1]
    assert shift.night.view(incident_id).incident.state is IncidentState.MITIGATED
    assert shift.woken(incident_id) == ["@U0ANNA"]
    shift.night.fire("Slow")
    shift.after(1)
    assert shift.woken(incident_id) == ["@U0ANNA"]
    shift.after(AFTER_S)
    assert shift.woken(incident_id) == ["@U0ANNA", "@U0BEN, @U0DANA"]
    assert "goes on after level 1" in " ".join(shift.night.said(incident_id))
    shift.night.database.close()


def test_a_rise_of_severity_starts_the_stricter_policy(shift: Shift) -> None:
    """Also where no policy was about the incident before; the first level is woken at once."""
    strict = policy([person(DANA)], policy_id="strict", severities=["critical"])
    shift.night.rota = rota(strict, policy([on_call()], severities=["high"]))
    shift.night.fire("Slow", severity="low")
    shift.after(1)
    shift.night.fire("Slow", severity="high", pod="b")
    shift.after(1)
    assert shift.woken() == ["@U0ANNA"]
    shift.night.fire("Slow", severity="critical", pod="c")
    shift.after(1)
    assert shift.woken() == ["@U0ANNA", "@U0DANA"]
    shift.after(AFTER_S)
    assert shift.woken() == ["@U0ANNA", "@U0DANA", "end"]


def test_a_rise_of_severity_wakes_nobody_where_somebody_has_it(shift: Shift) -> None:
    """They see it in the channel."""
    shift.night.rota = rota(policy([person(DANA)], severities=["critical"]))
    shift.night.fire("Slow", severity="low")
    shift.acknowledge()
    shift.night.fire("Slow", severity="critical", pod="b")
    shift.after(1)
    assert shift.woken() == []


def test_only_what_a_policy_is_about_is_escalated(shift: Shift) -> None:
    """By labels and severities; the first that matches counts."""
    shift.night.rota = rota(
        policy([person(BEN)], policy_id="eu", matchers=['cluster=~"eu-.*"']),
        policy([person(DANA)], severities=["high"]),
    )
    shift.night.fire("Slow", cluster="eu-1")
    shift.night.fire("Slow", cluster="us-1")
    shift.night.fire("Slow", cluster="us-2", severity="low")
    assert [shift.woken(f"INC-{n}") for n in (1, 2, 3)] == [["@U0BEN"], ["@U0DANA"], []]


def test_a_silenced_alert_wakes_nobody_before_it_opens_an_incident(shift: Shift) -> None:
    """There is nothing to take yet."""
    shift.night.silence('alertname="Slow"', length_s=100)
    shift.night.fire("Slow")
    shift.after(50)
    assert shift.night.open_ids() == []
    shift.after(51)
    assert shift.woken() == ["@U0ANNA"]


def test_a_level_with_nobody_is_passed_over_at_once(shift: Shift) -> None:
    """It is said; so is that there was nobody at all."""
    late = schedule(ANNA, start=date(2030, 1, 1))
    shift.night.rota = rota(policy([on_call()], [person(BEN)]), schedules=[late])
    shift.night.fire("Slow")
    shift.after(0)
    assert shift.woken() == ["nobody", "@U0BEN"]


def test_who_is_on_call_is_looked_up_when_a_level_is_woken(shift: Shift) -> None:
    """But the levels themselves are those of the revision under which it began."""
    shift.night.rota = rota(policy([person(DANA)], [on_call()]), schedules=[schedule(ANNA)])
    shift.night.fire("Slow")
    shift.night.rota = Rota("r2", (schedule(BEN),), (policy([person(DANA)], [person(DANA)]),))
    shift.after(AFTER_S)
    assert shift.woken() == ["@U0DANA", "@U0BEN"]


def test_a_new_core_goes_on_late_rather_than_never(shift: Shift) -> None:
    """A deadline that passed while nothing ran is due once, and the next one counts from then."""
    shift.night.fire("Slow")
    shift.night.database.close()
    again = Repositories.over(shift.night.database, AlertPolicy(), lambda: TWO_LEVELS)
    shift.night.now += 10 * AFTER_S
    again.escalations.review(shift.night.now)
    again.escalations.review(shift.night.now)
    assert shift.woken() == ["@U0ANNA", "@U0BEN, @U0DANA"]
    assert shift.escalation().next_at == shift.night.now + AFTER_S


def test_without_a_rota_nothing_is_written(tmp_path: Path) -> None:
    """Nothing changes for whoever has none."""
    night = Night(tmp_path)
    night.fire("Slow")
    assert night.stores.escalations.review(night.now + 1e6) == 0
    assert night.stores.escalations.counts() == {}
    assert night.view().escalation is None
    night.database.close()


def test_a_title_from_outside_stands_behind_the_people(shift: Shift) -> None:
    """So that it cannot be taken for one of them."""
    shift.night.annotations = {"summary": "@U0DANA: wake up"}
    shift.night.ingest(shift.night.alert("Slow"))
    assert shift.woken() == ["@U0ANNA"]


def test_one_that_cannot_be_read_keeps_no_other_from_being_woken_for(shift: Shift) -> None:
    """It is an error that names the incident."""
    shift.night.fire("Slow")
    shift.night.fire("Dark")
    table = schema.escalation
    with shift.night.database.write() as connection:
        connection.execute(table.update().where(table.c.incident_number == 1).values(plan="{}"))
    shift.night.now += AFTER_S
    with pytest.raises(StoreError, match="INC-1 was written by another version"):
        shift.night.stores.escalations.review(shift.night.now)
    assert len(shift.woken("INC-2")) == 2
