"""Runs and their steps: the durable side that `opsbot.runbook.store.RunStore` describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from opsbot.errors import InvalidTransition, NotFoundError
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.notify.outbox import OutboxState
from opsbot.runbook.admission import Admission, Earlier
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, Blocker, Change, Claim, Halt, RunCase, StepRow
from opsbot.store import approvals, knobs, schema
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.rows import get_incident, incident_number, to_run, wish, wish_incident, write_entry

STARTED = frozenset({RunState.RUNNING})
FINAL = tuple(state.value for state, following in RUN_TRANSITIONS.items() if not following)


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
        return self._where(schema.run.c.state.not_in(FINAL))

    def _where(self, condition: Any) -> tuple[Run, ...]:
        with self._database.read() as connection:
            query = select(schema.run).where(condition).order_by(schema.run.c.created_at)
            return tuple(to_run(row) for row in connection.execute(query))

    def run(self, run_id: str) -> Run:
        """One run; raises NotFoundError."""
        with self._database.read() as connection:
            return get_run(connection, run_id)

    def case(self, run_id: str) -> RunCase:
        """A run with its steps and its incident; raises NotFoundError."""
        with self._database.read() as connection:
            run = get_run(connection, run_id)
            incident = get_incident(connection, incident_number(run.incident_id))
            return RunCase(run, get_steps(connection, run_id), incident, knobs.halt(connection))

    def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        with self._database.read() as connection:
            return knobs.halt(connection)

    def adopt(self, run_id: str, interpreter_version: int) -> Run:
        """Let another interpreter go on with a run; answers it as it is then."""
        table = schema.run
        with self._database.write() as connection:
            values = {"interpreter_version": interpreter_version}
            connection.execute(update(table).where(table.c.run_id == run_id).values(**values))
            return get_run(connection, run_id)

    def admit(
        self,
        run_id: str,
        group: str,
        decide: Callable[[Sequence[Earlier]], Admission],
        say: Callable[[Admission], TimelineEntry | None],
        now: float,
    ) -> Admission:
        """Let *decide* look at the runs of the runbook and of the group, and write what it says."""
        table = schema.run
        with self._database.write() as connection:
            run = get_run(connection, run_id)
            if run.state is not RunState.QUEUED or run.admitted_at is not None:
                return Admission("start")
            is_near = or_(table.c.runbook_id == run.runbook_id, table.c.concurrency_group == group)
            query = select(table).where(is_near, table.c.admitted_at.is_not(None)).order_by(table.c.admitted_at)
            admission = decide([_earlier(row) for row in connection.execute(query)])
            values: dict[str, Any] = {"concurrency_group": group, "detail": admission.reason}
            if admission.verdict == "start":
                values["admitted_at"] = now
            elif admission.verdict in ("skip", "person"):
                values |= {"state": RunState.CANCELLED.value, "ended_at": now}
            elif run.detail == admission.reason:
                return admission
            connection.execute(update(table).where(table.c.run_id == run_id).values(**values))
            self._write_entry(connection, say(admission), is_paged=admission.verdict == "person")
            wish_incident(connection, incident_number(run.incident_id))
            return admission

    def commit(self, change: Change) -> None:
        """Write everything of *change*, or nothing."""
        with self._database.write() as connection:
            run = _standing(connection, change.run_id)
            _move(connection, run, change)
            for step in change.steps:
                _put_step(connection, change.run_id, step, change.now)
            if change.approval is not None:
                approvals.ask(connection, change.approval)
            if change.announcement is not None:
                approvals.announce(connection, change.announcement)
            for entry in change.entries:
                self._write_entry(connection, entry, is_paged=change.is_paged)
            is_over = change.state is not None and not RUN_TRANSITIONS[change.state]
            if change.frees_locks or is_over:
                knobs.free(connection, change.run_id, () if is_over else get_steps(connection, change.run_id))
            wish_incident(connection, run.incident_number)

    def move_run(
        self, run_id: str, state: RunState, detail: str, now: float, *, entry: TimelineEntry | None = None
    ) -> None:
        """Change a run's state and detail; the same state again only changes the detail."""
        entries = () if entry is None else (entry,)
        self.commit(Change(run_id, now, state=state, detail=detail, entries=entries))

    def put_step(self, run_id: str, step: StepRow, now: float, *, entry: TimelineEntry | None = None) -> None:
        """Write what is known of a step."""
        entries = () if entry is None else (entry,)
        self.commit(Change(run_id, now, steps=(step,), entries=entries))

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """A run's steps in order."""
        with self._database.read() as connection:
            return get_steps(connection, run_id)

    def claim(self, claim: Claim, now: float) -> tuple[Blocker, ...]:
        """Take every lock of *claim*, or none and answer why; a drill that has one is told to give it back."""
        with self._database.write() as connection:
            return knobs.claim(connection, claim, now)

    def approval(self, approval_id: str) -> ApprovalRow:
        """One approval; raises NotFoundError."""
        with self._database.read() as connection:
            return approvals.get_approval(connection, approval_id)

    def close_approval(self, approval_id: str, now: float, *, entry: TimelineEntry | None = None) -> ApprovalRow:
        """End an open approval that nobody decided; a decided one is answered as it is."""
        with self._database.write() as connection:
            return approvals.close(connection, approval_id, now, entry)

    def announcement(self, announcement_id: str) -> AnnouncementRow:
        """One announcement; raises NotFoundError."""
        with self._database.read() as connection:
            return approvals.get_announcement(connection, announcement_id)

    def put_announcement(
        self, was: AnnouncementRow, row: AnnouncementRow, *, entry: TimelineEntry | None = None
    ) -> AnnouncementRow:
        """Write what is known of an announcement, if it is still as it *was*; answers it as it is then."""
        with self._database.write() as connection:
            return approvals.put_announcement(connection, was, row, entry)

    def delivery(self, entry_key: str) -> Literal["slack", "page"] | None:
        """Where a timeline entry could be read first; None while it could not."""
        table = schema.outbox
        keys = {f"timeline:{entry_key}": "slack", f"page_entry:{entry_key}": "page"}
        is_there = table.c.key.in_(keys) & (table.c.state == OutboxState.DELIVERED.value)
        with self._database.read() as connection:
            found = {keys[key] for key in connection.execute(select(table.c.key).where(is_there)).scalars()}
        return "slack" if "slack" in found else "page" if found else None

    def page_entry(self, entry: TimelineEntry) -> bool:
        """Page somebody with an entry's text; answers whether there is a pager at all."""
        if not self._incidents.is_paging:
            return False
        with self._database.write() as connection:
            _page_entry(connection, entry)
        return True

    def _write_entry(self, connection: Connection, entry: TimelineEntry | None, *, is_paged: bool) -> None:
        if entry is None:
            return
        write_entry(connection, entry, is_part=True)
        if is_paged and self._incidents.is_paging:
            _page_entry(connection, entry)

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


def get_run(connection: Connection, run_id: str) -> Run:
    """One run; raises NotFoundError."""
    row = connection.execute(select(schema.run).where(schema.run.c.run_id == run_id)).first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id!r}")
    return to_run(row)


def get_steps(connection: Connection, run_id: str) -> tuple[StepRow, ...]:
    """A run's steps in order; the items of one after it."""
    table = schema.run_step
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.position, table.c.step_id)
    return tuple(sorted((_to_step(row) for row in connection.execute(query)), key=_order))


def _order(row: StepRow) -> tuple[int, int]:
    _, _, index = row.step_id.partition("[")
    return (row.position, int(index.rstrip("]")) if index else -1)


@dataclass(frozen=True, slots=True)
class _Standing:
    """Of a run, what a change to it looks at; its pinned text, which is long, is not read."""

    state: RunState
    incident_number: int
    started_at: float | None
    ended_at: float | None


_STANDING = select(
    schema.run.c.state, schema.run.c.incident_number, schema.run.c.started_at, schema.run.c.ended_at
).where(schema.run.c.run_id == bindparam("wanted"))


def _standing(connection: Connection, run_id: str) -> _Standing:
    row = connection.execute(_STANDING, {"wanted": run_id}).first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id!r}")
    return _Standing(RunState(row.state), row.incident_number, row.started_at, row.ended_at)


def _page_entry(connection: Connection, entry: TimelineEntry) -> None:
    wish(connection, f"page_entry:{entry.key}", "page_entry", entry.key, incident_number(entry.incident_id))


def _move(connection: Connection, run: _Standing, change: Change) -> None:
    state = change.state
    if change.expected is not None and run.state is not change.expected:
        raise InvalidTransition(f"run {change.run_id} is {run.state.value} and no longer {change.expected.value}")
    if state is not None and run.state is not state and state not in RUN_TRANSITIONS[run.state]:
        raise InvalidTransition(f"run {change.run_id} is {run.state.value} and cannot become {state.value}")
    values: dict[str, Any] = {}
    if state is not None:
        values["state"] = state.value
        if state in STARTED and run.started_at is None:
            values["started_at"] = change.now
        if not RUN_TRANSITIONS[state] and run.ended_at is None:
            values["ended_at"] = change.now
    if change.detail is not None:
        values["detail"] = change.detail
    if change.deadline is not None:
        values["deadline"] = change.deadline
    if change.ends_as is not None:
        values["ends_as"] = change.ends_as.value
    if values:
        connection.execute(update(schema.run).where(schema.run.c.run_id == change.run_id).values(**values))


def _put_step(connection: Connection, run_id: str, step: StepRow, now: float) -> None:
    table = schema.run_step
    values = {**asdict(step), "state": step.state.value, "updated_at": now}
    # What a person said meanwhile is theirs; the run never writes it.
    del values["skipped_by"], values["skip_reason"]
    same = (table.c.run_id == run_id) & (table.c.step_id == step.step_id)
    if not connection.execute(update(table).where(same).values(**values)).rowcount:
        connection.execute(insert(table).values(run_id=run_id, **values))


def _earlier(row: Row[Any]) -> Earlier:
    run = to_run(row)
    return Earlier(
        run.run_id, run.runbook_id, run.cluster, row.concurrency_group, run.state, run.admitted_at, run.is_drill
    )


def _to_step(row: Row[Any]) -> StepRow:
    values = dict(row._mapping)
    del values["run_id"], values["updated_at"]
    return StepRow(**{**values, "state": StepState(values["state"])})
