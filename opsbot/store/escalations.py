"""Escalations as rows, beside the incidents that they are about.

A row is written in the transaction that opens its incident. A wake and the row's next deadline are one transaction,
and each wake has a timeline key of its own, so that a crash neither forgets a wake nor makes it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from opsbot.incident import tracker
from opsbot.incident.incident import HoldKind, Incident, IncidentState
from opsbot.incident.tracker import Note
from opsbot.incident.view import EscalationView
from opsbot.oncall import escalation as steps
from opsbot.oncall.escalation import Escalation, EscalationState
from opsbot.oncall.model import Rota
from opsbot.oncall.turn import people_of
from opsbot.store import alerts, schema
from opsbot.store.database import Database, StoreError
from opsbot.store.rows import incident_id, incident_number, to_incident, write_entry
from opsbot.store.silences import live_silences

LONGEST_TITLE = 200


class EscalationRepository:
    """Every method commits before it returns.

    Args:
        rota: the rota in force.
    """

    def __init__(self, database: Database, rota: Callable[[], Rota]) -> None:
        self._database = database
        self._rota = rota

    def opened(self, connection: Connection, incident: Incident, now: float) -> None:
        """Write the escalation of a new incident into the transaction that opens it."""
        rota = self._rota()
        if not rota.policies:
            return
        number = incident_number(incident.incident_id)
        policy = rota.policy(incident.labels, incident.severity)
        if policy is None:
            # Kept so that a rise of severity is seen as one.
            nobody = Escalation(number, None, rota.revision, 0, 0, incident.severity, EscalationState.NONE)
            connection.execute(insert(schema.escalation).values(**_columns(nobody)))
            return
        begun = steps.begin(number, policy, rota.revision, 1, incident.severity, now)
        connection.execute(insert(schema.escalation).values(**_columns(begun)))
        self._wake(connection, begun, incident, now)

    def review(self, now: float) -> int:
        """Do what is due: wake, pause, go on, end; answers how many escalations changed.

        Raises: StoreError, having done what else was due.
        """
        with self._database.read() as connection:
            numbers = [row.incident_number for row in connection.execute(_candidates(now))]
        changed = 0
        failure: StoreError | None = None
        for number in numbers:
            # One that cannot be read must not keep the others from being woken for.
            try:
                with self._database.write() as connection:
                    changed += self._look(connection, number, now)
            except StoreError as error:
                failure = error
        if failure is not None:
            raise failure
        return changed

    def counts(self) -> Mapping[str, int]:
        """Escalations by state."""
        table = schema.escalation
        with self._database.read() as connection:
            rows = connection.execute(select(table.c.state, func.count()).group_by(table.c.state))
            return {str(state): int(count) for state, count in rows}

    def _look(self, connection: Connection, number: int, now: float) -> bool:
        table = schema.escalation
        row = connection.execute(select(table).where(table.c.incident_number == number)).one()
        incident = to_incident(
            connection.execute(select(schema.incident).where(schema.incident.c.number == number)).one()
        )
        before = _to_escalation(row)
        self._step(connection, before, incident, now)
        return before != _to_escalation(
            connection.execute(select(table).where(table.c.incident_number == number)).one()
        )

    def _step(self, connection: Connection, known: Escalation, incident: Incident, now: float) -> None:
        if incident.is_resolved:
            self._save(connection, replace(known, state=EscalationState.OVER, next_at=None))
            return
        if not _needs_somebody(incident):
            if known.state is EscalationState.WAITING:
                self._save(connection, known.pause(now))
            return
        if known.severity != incident.severity:
            known = self._severity_changed(connection, known, incident, now)
        silence = _silenced_by(connection, known.incident_number, now)
        if silence is not None:
            if known.state is EscalationState.WAITING:
                self._save(connection, known.pause(now))
                text = f"Nobody is woken while {silence} silences what fires; it goes on when the silence is over"
                self._say(connection, known, incident, "escalation.silenced", text, silence, now)
            return
        if known.state is EscalationState.PAUSED:
            known = known.resume(now)
            self._save(connection, known)
            if known.next_at is not None and known.next_at > now:
                at = f"goes on after level {known.level}"
                text = f"Nobody has {incident.incident_id} any more, and it is not over: escalation {at}"
                self._say(connection, known, incident, "escalation.resumed", text, f"{now:.3f}", now)
        if known.state is EscalationState.WAITING and known.next_at is not None and known.next_at <= now:
            self._wake(connection, known, incident, now)

    def _severity_changed(
        self, connection: Connection, known: Escalation, incident: Incident, now: float
    ) -> Escalation:
        """Begin again where another policy is about the incident now."""
        rota = self._rota()
        policy = rota.policy(incident.labels, incident.severity)
        pinned = None if known.plan is None else known.plan.policy_id
        if policy is None or policy.policy_id == pinned:
            known = replace(known, severity=incident.severity)
        else:
            known = steps.begin(
                known.incident_number, policy, rota.revision, known.generation + 1, incident.severity, now
            )
        self._save(connection, known)
        return known

    def _wake(self, connection: Connection, known: Escalation, incident: Incident, now: float) -> None:
        assert known.plan is not None
        level = steps.upcoming(known.plan, known.turn)
        found = () if level is None else (people_of(target, self._rota(), now) for target in level.targets)
        members = list(dict.fromkeys(member for member in found if member is not None))
        about = f"{incident.incident_id} ({incident.severity}): {incident.title[:LONGEST_TITLE]}"
        done = steps.wake(known, members, about, now - incident.opened_at, now)
        self._save(connection, done.escalation)
        self._say(connection, known, incident, done.kind, done.text, str(known.turn), now)

    def _say(
        self, connection: Connection, known: Escalation, incident: Incident, kind: str, text: str, mark: str, now: float
    ) -> None:
        note = Note(
            kind, text, is_broadcast=kind in ("escalation.notified", "escalation.nobody", "escalation.unanswered")
        )
        entry = tracker.entry(incident.incident_id, note, now, suffix=f"{known.generation}:{mark}")
        write_entry(connection, entry)

    def _save(self, connection: Connection, escalation: Escalation) -> None:
        table = schema.escalation
        number = escalation.incident_number
        connection.execute(update(table).where(table.c.incident_number == number).values(**_columns(escalation)))


def escalation_view(connection: Connection, number: int) -> EscalationView | None:
    """What people are shown of an incident's escalation; None where there is none."""
    row = connection.execute(select(schema.escalation).where(schema.escalation.c.incident_number == number)).first()
    if row is None or row.plan is None:
        return None
    found = _to_escalation(row)
    assert found.plan is not None
    return EscalationView(
        found.plan.policy_id, found.state.value, found.level, len(found.plan.levels), found.asked, found.next_at
    )


def _candidates(now: float) -> Any:
    """Escalations that may have something to do; the rest is decided row by row."""
    row, incident = schema.escalation, schema.incident
    is_open = incident.c.state != IncidentState.RESOLVED.value
    is_free = and_(is_open, incident.c.acknowledged_by.is_(None), incident.c.merged_into.is_(None))
    is_waiting = row.c.state == EscalationState.WAITING.value
    return (
        select(row.c.incident_number)
        .join(incident, incident.c.number == row.c.incident_number)
        .where(
            row.c.state != EscalationState.OVER.value,
            or_(
                and_(is_waiting, or_(row.c.next_at <= now, ~is_free, incident.c.state != IncidentState.OPEN.value)),
                and_(row.c.state == EscalationState.PAUSED.value, is_free),
                and_(is_free, row.c.severity != incident.c.severity),
                ~is_open,
            ),
        )
        .order_by(row.c.next_at)
    )


def _needs_somebody(incident: Incident) -> bool:
    """Whether nobody has the incident although it is not over, nor quiet."""
    if incident.acknowledged_by is not None or incident.merged_into is not None:
        return False
    if incident.state is IncidentState.MITIGATED:
        # Nothing fires; but a load that will be lethal again within hours is somebody's to look at.
        return incident.hold is not None and incident.hold.kind is HoldKind.TREND and bool(incident.hold.reason)
    return incident.state is IncidentState.OPEN


def _silenced_by(connection: Connection, number: int, now: float) -> str | None:
    """The silence that hides everything that fires in an incident; None if something is not hidden."""
    silences = live_silences(connection, now)
    if not silences:
        return None
    firing = [record for record in alerts.of_incident(connection, number) if record.is_firing]
    by = [next((one.silence_id for one in silences if one.match.holds(record.labels)), None) for record in firing]
    return by[0] if by and None not in by else None


def _columns(escalation: Escalation) -> dict[str, Any]:
    return {
        "incident_number": escalation.incident_number,
        "plan": None if escalation.plan is None else steps.to_json(escalation.plan),
        "revision": escalation.revision,
        "generation": escalation.generation,
        "turn": escalation.turn,
        "severity": escalation.severity,
        "state": escalation.state.value,
        "next_at": escalation.next_at,
        "remaining_s": escalation.remaining_s,
        "asked": list(escalation.asked),
    }


def _to_escalation(row: Row[Any]) -> Escalation:
    try:
        plan = None if row.plan is None else steps.from_json(row.plan)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the escalation of {incident_id(row.incident_number)} was written by another version of opsbot and cannot "
            "be read; nobody is woken for it: acknowledge it by hand"
        ) from error
    return Escalation(
        row.incident_number,
        plan,
        row.revision,
        row.generation,
        row.turn,
        row.severity,
        EscalationState(row.state),
        row.next_at,
        row.remaining_s,
        tuple(row.asked),
    )
