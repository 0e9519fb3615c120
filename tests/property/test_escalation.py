"""Whatever people, alerts, clocks and crashes do: no level is woken twice, early, or while somebody has it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from opsbot.alert.policy import AlertPolicy, FlapDamping
from opsbot.errors import OpsbotError
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.store import schema
from opsbot.store.repositories import Repositories
from tests.support.alert_night import Night
from tests.support.rotas import AFTER_S, BEN, on_call, person, policy, rota

POLICY = AlertPolicy(flapping=FlapDamping(2, 3600, 200))
ROTA = rota(
    policy([person(BEN)], [on_call()], policy_id="strict", severities=["critical"]),
    policy([on_call()], [person(BEN)], severities=["high"], repeat=1),
)
U1 = Person("U1", frozenset({"responder"}), "Slack")
WAKES = ("escalation.notified", "escalation.unanswered")

name = st.sampled_from(("Slow", "Dark"))
severity = st.sampled_from(("low", "high", "critical"))
incident_id = st.integers(1, 3).map(lambda number: f"INC-{number}")


class Shifts(RuleBasedStateMachine):
    """One night with somebody on call."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.night = Night(Path(self._folder.name), POLICY, rota=ROTA)

    def teardown(self) -> None:
        self.night.database.close()
        self._folder.cleanup()

    @rule(name=name, severity=severity)
    def fire(self, name: str, severity: str) -> None:
        """An alert begins."""
        self.night.now += 1
        self.night.fire(name, severity=severity)

    @rule(name=name, severity=severity)
    def end(self, name: str, severity: str) -> None:
        """It ends."""
        self.night.now += 1
        self.night.end(name, severity=severity)

    @rule(minutes=st.integers(1, 12))
    def time_passes(self, minutes: int) -> None:
        """Core looks at what is due each minute, and a second look finds nothing left to do."""
        held = {view.incident.incident_id for view in self._views() if view.incident.acknowledged_by is not None}
        before = {incident: self._wakes(incident) for incident in held}
        for _ in range(minutes):
            self.night.after(60.0)
            self.night.stores.escalations.review(self.night.now)
            assert self.night.stores.escalations.review(self.night.now) == 0
        assert before == {incident: self._wakes(incident) for incident in held}

    @rule()
    def a_long_time_passes_unseen(self) -> None:
        """Core was not there."""
        self.night.now += 20 * AFTER_S

    @rule(incident=incident_id)
    def acknowledge(self, incident: str) -> None:
        """Somebody takes one."""
        try:
            self.night.stores.incidents.move(
                incident, IncidentState.ACKNOWLEDGED, self.night.now, note=None, user_id="U1"
            )
        except OpsbotError:
            return

    @rule(one=incident_id, other=incident_id)
    def merge(self, one: str, other: str) -> None:
        """Somebody deals with one under another."""
        try:
            self.night.stores.handling.merge(one, other, U1, self.night.now)
        except OpsbotError:
            return

    @rule(name=name)
    def silence(self, name: str) -> None:
        """Somebody silences an alert."""
        self.night.silence(f'alertname="{name}"', length_s=120.0)

    @rule()
    def crash(self) -> None:
        """Core dies and starts again over the same database."""
        self.night.stores = Repositories.over(self.night.database, POLICY, lambda: self.night.rota)

    @invariant()
    def each_level_has_its_time(self) -> None:
        """Wakes of one generation are at least a deadline apart, and no more than the policy has."""
        for view in self._views():
            wakes = self._wakes(view.incident.incident_id)
            for generation in {mark.split(":")[0] for mark, _ in wakes}:
                times = [at for mark, at in wakes if mark.startswith(f"{generation}:")]
                assert all(later - earlier >= AFTER_S for earlier, later in pairwise(times))
                assert len(times) <= 5

    def _views(self) -> tuple[IncidentView, ...]:
        return self.night.stores.views.views(include_resolved=True)

    def _wakes(self, incident: str) -> list[tuple[str, float]]:
        """Generation and turn of each wake with its time, in order."""
        table = schema.timeline
        query = select(table.c.key, table.c.at).where(table.c.kind.in_(WAKES)).order_by(table.c.sequence)
        with self.night.database.read() as connection:
            rows = [row for row in connection.execute(query) if row.key.startswith(f"{incident}:")]
        return [(":".join(row.key.split(":")[2:]), row.at) for row in rows]


TestShifts = Shifts.TestCase
TestShifts.settings = settings(deadline=None, max_examples=25, stateful_step_count=25)
