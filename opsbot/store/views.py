"""Assembles what people are shown about an incident, from one consistent view of the tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, case, desc, select

from opsbot.alert.record import AlertRecord
from opsbot.incident.handle import handle_of
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.restricted import needs_trust_and_safety
from opsbot.incident.view import (
    MOST_ALERTS,
    AlertView,
    AnnouncementView,
    ApprovalView,
    HaltView,
    IncidentView,
    LinkView,
    RunView,
    StepView,
)
from opsbot.runbook.run import RUN_TRANSITIONS, RunState, StepState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow
from opsbot.store import schema
from opsbot.store.alerts import FIRING, to_record
from opsbot.store.approvals import to_announcement, to_approval
from opsbot.store.database import Database
from opsbot.store.escalations import escalation_view
from opsbot.store.handling import linked, merged_into
from opsbot.store.knobs import halt
from opsbot.store.rows import get_incident, incident_id, incident_number, to_entry, to_incident, wish
from opsbot.store.run_names import find_run

UNDOABLE = frozenset({RunState.HOLDING, RunState.RUNNING, RunState.WAITING, RunState.NEEDS_PERSON})


class ViewRepository:
    """Reads views."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def view(self, incident_id: str) -> IncidentView:
        """One incident; raises NotFoundError."""
        with self._database.read() as connection:
            return _view(connection, get_incident(connection, incident_number(incident_id)))

    def views(self, *, include_resolved: bool, limit: int = 50) -> tuple[IncidentView, ...]:
        """Incidents, newest first; open ones without those that are merged into another."""
        table = schema.incident
        query = select(table).order_by(desc(table.c.number)).limit(limit)
        if not include_resolved:
            query = query.where(table.c.state != IncidentState.RESOLVED.value, table.c.merged_into.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            return tuple(_view(connection, to_incident(row)) for row in rows)

    def show_again(self, text: str) -> None:
        """Wish an incident's message edited, since what it shows beside the incident has changed."""
        number = incident_number(text)
        with self._database.write() as connection:
            wish(connection, f"incident:{incident_id(number)}", "incident_message", incident_id(number), number)

    def run(self, run_id: str) -> RunView:
        """One run by its id or handle; raises NotFoundError."""
        with self._database.read() as connection:
            found = find_run(connection, run_id).run_id
            return _run_view(
                connection, connection.execute(select(schema.run).where(schema.run.c.run_id == found)).one()
            )

    def runs(self, *, include_finished: bool, limit: int = 100) -> tuple[RunView, ...]:
        """Runs, newest first."""
        table = schema.run
        query = select(table).order_by(desc(table.c.created_at), table.c.run_id).limit(limit)
        if not include_finished:
            over = [state.value for state, following in RUN_TRANSITIONS.items() if not following]
            query = query.where(table.c.state.not_in(over))
        with self._database.read() as connection:
            return tuple(_run_view(connection, row) for row in connection.execute(query).all())


def _view(connection: Connection, incident: Incident) -> IncidentView:
    number = incident_number(incident.incident_id)
    runs = connection.execute(
        select(schema.run).where(schema.run.c.incident_number == number).order_by(schema.run.c.created_at)
    ).all()
    entries = connection.execute(
        select(schema.timeline).where(schema.timeline.c.incident_number == number).order_by(schema.timeline.c.sequence)
    )
    return IncidentView(
        incident,
        tuple(_run_view(connection, row) for row in runs),
        tuple(to_entry(row) for row in entries),
        _alert_views(connection, number),
        tuple(_link_view(connection, other, reason) for other, reason in linked(connection, number)),
        tuple(_link_view(connection, other, "") for other in merged_into(connection, number)),
        escalation_view(connection, number),
        _halt_view(connection),
    )


def _halt_view(connection: Connection) -> HaltView | None:
    found = halt(connection)
    return None if found is None else HaltView(found.reason, found.created_by, found.created_at)


def _alert_views(connection: Connection, number: int) -> tuple[AlertView, ...]:
    table = schema.alert
    is_over = case((table.c.state == FIRING, 0), else_=1)
    query = select(table).where(table.c.incident_number == number, table.c.hiding.is_(None))
    rows = connection.execute(query.order_by(is_over, desc(table.c.number)).limit(MOST_ALERTS)).all()
    return tuple(_alert_view(to_record(row)) for row in rows)


def _alert_view(record: AlertRecord) -> AlertView:
    return AlertView(
        fingerprint=record.fingerprint,
        name=record.alert.name,
        summary=record.annotations.get("summary", record.alert.name),
        severity=record.alert.severity,
        labels=record.labels,
        is_firing=record.is_firing,
        starts_at=record.starts_at,
        ends_at=record.ends_at,
        value=record.value,
        runbook=record.annotations.get("runbook") or record.annotations.get("runbook_url"),
    )


def _link_view(connection: Connection, text: str, reason: str) -> LinkView:
    other = get_incident(connection, incident_number(text))
    return LinkView(other.incident_id, other.title, other.state.value, reason)


def _run_view(connection: Connection, row: Row[Any]) -> RunView:
    step, approval = schema.run_step, schema.approval
    steps = connection.execute(select(step).where(step.c.run_id == row.run_id).order_by(step.c.position)).all()
    open_approvals = connection.execute(
        select(approval)
        .where(approval.c.run_id == row.run_id, approval.c.state == "open")
        .order_by(approval.c.requested_at)
    )
    said = schema.announcement
    announced = connection.execute(
        select(said).where(said.c.run_id == row.run_id, said.c.state == "open").order_by(said.c.requested_at)
    )
    holds = any(
        s.idempotency_key is not None and not s.lease_released and s.state != StepState.UNDONE.value for s in steps
    )
    return RunView(
        run_id=row.run_id,
        runbook_id=row.runbook_id,
        runbook_name=row.runbook_name,
        state=row.state,
        detail=row.detail,
        steps=tuple(StepView(s.step_id, s.name, s.uses, s.state, s.detail) for s in steps),
        approvals=tuple(_approval_view(to_approval(connection, a)) for a in open_approvals.all()),
        announcements=tuple(_announcement_view(to_announcement(one)) for one in announced.all()),
        can_undo=holds and RunState(row.state) in UNDOABLE,
        started_at=row.started_at if row.started_at is not None else row.created_at,
        ended_at=row.ended_at,
        requester=row.requester,
        is_drill=row.is_drill,
        paused_by=row.paused_by,
        pause_reason=row.pause_reason,
        incident_id=incident_id(row.incident_number),
        inputs=row.inputs or {},
        follows=None if row.follows is None else handle_of(row.follows),
        cluster=str((row.labels or {}).get("cluster", "")),
        is_restricted=needs_trust_and_safety(row.runbook_json),
    )


def _approval_view(approval: ApprovalRow) -> ApprovalView:
    return ApprovalView(
        approval_id=approval.approval_id,
        run_id=approval.run_id,
        step_id=approval.step_id,
        will_do=approval.will_do,
        undo=approval.undo,
        role=approval.role,
        digest=approval.digest,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        count=approval.count,
        granted_by=approval.granted_by,
        excluded=approval.excluded,
        on_timeout=approval.on_timeout,
    )


def _announcement_view(row: AnnouncementRow) -> AnnouncementView:
    return AnnouncementView(
        announcement_id=row.announcement_id,
        run_id=row.run_id,
        step_id=row.step_id,
        message=row.message,
        calls_for_capacity=row.calls_for_capacity,
        requested_at=row.requested_at,
        ends_at=row.ends_at,
        offers=row.offers,
    )
