"""Runs, their steps and approvals: the durable side that `opsbot.runbook.store.RunStore` describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from opsbot.errors import ApprovalError, InvalidTransition, NotFoundError
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import ApprovalRow, StepRow
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.rows import incident_id, incident_number, to_run, wish_incident, write_entry

STARTED = frozenset({RunState.RUNNING})


class RunRepository:
    """Implements `RunStore`."""

    def __init__(self, database: Database, incidents: IncidentRepository) -> None:
        self._database = database
        self._incidents = incidents

    def queued(self) -> tuple[Run, ...]:
        """Runs that nobody has started yet, oldest first."""
        return self._where(schema.run.c.state == RunState.QUEUED.value)

    def unfinished(self) -> tuple[Run, ...]:
        """Runs in a state that is not final."""
        final = [state.value for state, following in RUN_TRANSITIONS.items() if not following]
        return self._where(schema.run.c.state.not_in(final))

    def _where(self, condition: Any) -> tuple[Run, ...]:
        with self._database.read() as connection:
            query = select(schema.run).where(condition).order_by(schema.run.c.created_at)
            return tuple(to_run(row) for row in connection.execute(query))

    def run(self, run_id: str) -> Run:
        """One run; raises NotFoundError."""
        with self._database.read() as connection:
            return _get_run(connection, run_id)

    def move_run(
        self, run_id: str, state: RunState, detail: str, now: float, *, entry: TimelineEntry | None = None
    ) -> None:
        """Change a run's state and detail; the same state again only changes the detail."""
        with self._database.write() as connection:
            run = _get_run(connection, run_id)
            if run.state is not state and state not in RUN_TRANSITIONS[run.state]:
                raise InvalidTransition(f"run {run_id} is {run.state.value} and cannot become {state.value}")
            values: dict[str, Any] = {"state": state.value, "detail": detail}
            if state in STARTED and run.started_at is None:
                values["started_at"] = now
            if not RUN_TRANSITIONS[state] and run.ended_at is None:
                values["ended_at"] = now
            connection.execute(update(schema.run).where(schema.run.c.run_id == run_id).values(**values))
            write_entry(connection, entry)
            wish_incident(connection, incident_number(run.incident_id))

    def put_step(self, run_id: str, step: StepRow, now: float, *, entry: TimelineEntry | None = None) -> None:
        """Write what is known of a step."""
        table = schema.run_step
        values = {**asdict(step), "state": step.state.value, "updated_at": now}
        values["prior"] = None if step.prior is None else dict(step.prior)
        values["arguments"] = None if step.arguments is None else dict(step.arguments)
        with self._database.write() as connection:
            run = _get_run(connection, run_id)
            same = (table.c.run_id == run_id) & (table.c.step_id == step.step_id)
            if not connection.execute(update(table).where(same).values(**values)).rowcount:
                connection.execute(insert(table).values(run_id=run_id, **values))
            write_entry(connection, entry)
            wish_incident(connection, incident_number(run.incident_id))

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """A run's steps in order."""
        table = schema.run_step
        with self._database.read() as connection:
            query = select(table).where(table.c.run_id == run_id).order_by(table.c.position)
            return tuple(_to_step(row) for row in connection.execute(query))

    def request_approval(self, approval: ApprovalRow, now: float, *, entry: TimelineEntry | None = None) -> None:
        """Ask; asking again with the same id changes nothing."""
        table = schema.approval
        values = asdict(approval)
        number = incident_number(values.pop("incident_id"))
        with self._database.write() as connection:
            known = connection.execute(select(table.c.state).where(table.c.approval_id == approval.approval_id)).first()
            if known is None:
                connection.execute(insert(table).values(incident_number=number, **values))
            write_entry(connection, entry)
            wish_incident(connection, number)

    def approval(self, approval_id: str) -> ApprovalRow:
        """One approval; raises NotFoundError."""
        with self._database.read() as connection:
            return _get_approval(connection, approval_id)

    def decide_approval(
        self, approval_id: str, *, is_granted: bool, user_id: str, now: float, entry: TimelineEntry | None = None
    ) -> ApprovalRow:
        """Decide an open approval; the same decision by the same person again answers the same."""
        wanted = "granted" if is_granted else "refused"
        with self._database.write() as connection:
            row = _get_approval(connection, approval_id)
            if row.state == wanted and row.decided_by == user_id:
                return row
            if row.state in ("granted", "refused"):
                raise ApprovalError(f"{_mention(row.decided_by)} has {row.state} this already")
            if row.state == "expired" or now >= row.expires_at:
                raise ApprovalError("this approval has expired; nothing was done")
            _close_approval(connection, row, wanted, user_id, now)
            write_entry(connection, entry)
            return _get_approval(connection, approval_id)

    def expire_approval(self, approval_id: str, now: float, *, entry: TimelineEntry | None = None) -> ApprovalRow:
        """End an open approval that nobody decided; a decided one is answered as it is."""
        with self._database.write() as connection:
            row = _get_approval(connection, approval_id)
            if row.state != "open":
                return row
            _close_approval(connection, row, "expired", None, now)
            write_entry(connection, entry)
            return _get_approval(connection, approval_id)

    def incident(self, incident: str) -> Incident:
        """One incident; raises NotFoundError."""
        return self._incidents.incident(incident)

    def move_incident(
        self, incident: str, state: IncidentState, now: float, *, entry: TimelineEntry | None = None
    ) -> Incident:
        """Change an incident's state; the same state again changes nothing."""
        return self._incidents.move(incident, state, now, note=entry)

    def add_entry(self, entry: TimelineEntry) -> None:
        """Write a timeline entry; one with the same key is there once."""
        self._incidents.add_entry(entry)

    def counts(self) -> Mapping[str, int]:
        """Runs by state."""
        with self._database.read() as connection:
            rows = connection.execute(select(schema.run.c.state, func.count()).group_by(schema.run.c.state))
            return {str(state): int(count) for state, count in rows}


def _get_run(connection: Connection, run_id: str) -> Run:
    row = connection.execute(select(schema.run).where(schema.run.c.run_id == run_id)).first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id!r}")
    return to_run(row)


def _get_approval(connection: Connection, approval_id: str) -> ApprovalRow:
    row = connection.execute(select(schema.approval).where(schema.approval.c.approval_id == approval_id)).first()
    if row is None:
        raise NotFoundError(f"there is no approval {approval_id!r}")
    return to_approval(row)


def _close_approval(connection: Connection, row: ApprovalRow, state: str, user_id: str | None, now: float) -> None:
    table = schema.approval
    connection.execute(
        update(table)
        .where(table.c.approval_id == row.approval_id)
        .values(state=state, decided_by=user_id, decided_at=now)
    )
    wish_incident(connection, incident_number(row.incident_id))


def to_approval(row: Row[Any]) -> ApprovalRow:
    """A row of the approval table as a value."""
    values = dict(row._mapping)
    return ApprovalRow(incident_id=incident_id(values.pop("incident_number")), **values)


def _to_step(row: Row[Any]) -> StepRow:
    values = dict(row._mapping)
    del values["run_id"], values["updated_at"]
    return StepRow(**{**values, "state": StepState(values["state"])})


def _mention(user_id: str | None) -> str:
    if user_id is None:
        return "somebody"
    return user_id if user_id.startswith("cli:") else f"<@{user_id}>"
