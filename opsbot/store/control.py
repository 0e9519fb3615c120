"""What people do with runs under way: pause, leave a step out, say what came of an act. Each is one transaction.

Doing the same again changes nothing and answers the same. What is not possible now raises InvalidTransition, which says
what is.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from opsbot.errors import InvalidTransition
from opsbot.incident.handle import handle_of
from opsbot.people import Person
from opsbot.runbook.result import Next
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import StepRow
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.rows import incident_number, wish_incident
from opsbot.store.run_names import Done, find_run, must_be_known, say
from opsbot.store.runs import get_run, get_steps

PAUSABLE = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.WAITING})
NOT_YET_ACTED = frozenset({StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY})


class RunControl:
    """Every method commits before it returns, and changes nothing when it raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, text: str) -> Run:
        """The run with that id or handle; raises NotFoundError, also where a handle may mean several."""
        with self._database.read() as connection:
            return find_run(connection, text)

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """A run's steps in order."""
        with self._database.read() as connection:
            return get_steps(connection, run_id)

    def pause(self, run_id: str, person: Person, reason: str, now: float) -> Done:
        """Let the run begin nothing until it is resumed; what it holds stays.

        Raises: NotFoundError; InvalidTransition if it makes no steps any more.
        """
        with self._database.write() as connection:
            run = find_run(connection, run_id)
            if run.paused_by is not None:
                return Done(run, is_new=False)
            if run.state not in PAUSABLE:
                raise InvalidTransition(
                    f"{handle_of(run.run_id)} is {run.state.value} and makes no step that could be paused"
                )
            _set(connection, run, paused_by=person.user_id, paused_at=now, pause_reason=reason)
            text = f"Paused the run: {reason}. It begins nothing until somebody resumes it; what it holds stays"
            say(connection, run, f"paused:{now:.3f}", "run.paused", text, person, now, is_broadcast=True)
            return Done(get_run(connection, run.run_id), is_new=True)

    def resume(self, run_id: str, person: Person, now: float) -> Done:
        """Let a paused run go on; its deadline and what people are asked move by the time it was paused.

        Raises: NotFoundError; InvalidTransition if it is over.
        """
        with self._database.write() as connection:
            run = find_run(connection, run_id)
            if run.paused_by is None:
                if run.is_finished:
                    raise InvalidTransition(f"{handle_of(run.run_id)} is over ({run.state.value})")
                return Done(run, is_new=False)
            since = _paused_at(connection, run.run_id)
            values: dict[str, Any] = {"paused_by": None, "paused_at": None, "pause_reason": None}
            if run.deadline is not None:
                values["deadline"] = run.deadline + _stood_still(now, since, run.started_at)
            _set(connection, run, **values)
            _move_questions(connection, run.run_id, since, now)
            say(connection, run, f"resumed:{now:.3f}", "run.resumed", "Resumed the run", person, now)
            return Done(get_run(connection, run.run_id), is_new=True)

    def skip(self, run_id: str, step_id: str, person: Person, reason: str, now: float) -> Done:
        """Leave a step out that has not acted.

        Raises: NotFoundError; InvalidTransition if it has acted, or the run is over.
        """
        table = schema.run_step
        with self._database.write() as connection:
            run = find_run(connection, run_id)
            row = _step(connection, run, step_id)
            if row.skipped_by is not None:
                return Done(run, is_new=False)
            if "[" in step_id or row.state not in NOT_YET_ACTED or not RUN_TRANSITIONS[run.state]:
                raise InvalidTransition(
                    f"the step {step_id} of {handle_of(run.run_id)} is {row.state.value} and cannot be left out; "
                    "`undo` takes back what the run has set"
                )
            same = (table.c.run_id == run.run_id) & (table.c.step_id == row.step_id)
            connection.execute(update(table).where(same).values(skipped_by=person.user_id, skip_reason=reason))
            say(
                connection, run, f"skip:{row.step_id}", "step.skip_requested", f"Leaves out “{row.name}”: {reason}",
                person, now,
            )  # fmt: skip
            return Done(get_run(connection, run.run_id), is_new=True)

    def settle(self, run_id: str, step_id: str, has_happened: bool, person: Person, now: float) -> Done:
        """Say whether an act happened whose outcome is unknown: the run goes on behind it, or makes it once more.

        Raises: NotFoundError; InvalidTransition if the outcome is known.
        """
        with self._database.write() as connection:
            run = find_run(connection, run_id)
            row = _step(connection, run, step_id)
            said = f"said by {person.user_id}"
            if row.state is StepState.UNDOING and run.state is RunState.NEEDS_PERSON:
                return _settle_undo(connection, run, row, has_happened, person, now)
            if row.state is not StepState.UNKNOWN:
                is_same = row.detail.endswith(said) and has_happened is (row.state is StepState.SUCCEEDED)
                if is_same:
                    return Done(run, is_new=False)
                raise InvalidTransition(
                    f"what came of {step_id} of {handle_of(run.run_id)} is known: it is {row.state.value}"
                )
            following = "" if "[" in step_id else Next.GO_ON.value
            settled = (
                replace(row, state=StepState.SUCCEEDED, following=following, outputs=row.outputs or {})
                if has_happened
                # It keeps the key of what did not happen: the next act has the next key. Nothing of it is to be undone.
                else replace(row, state=StepState.READY, lease_id=None, lease_released=True)
            )
            word = "happened" if has_happened else "did not happen"
            _write_step(connection, run.run_id, replace(settled, detail=f"it {word}: {said}"), now)
            if run.state is RunState.WAITING:
                _set(connection, run, state=RunState.RUNNING.value, detail="")
            then = "the run goes on" if has_happened else "it is made once more"
            digest = hashlib.sha256(str(row.idempotency_key).encode()).hexdigest()[:8]
            text = f"Said that “{row.name}” {word}: {then}"
            say(connection, run, f"settled:{step_id}:{digest}", "step.settled", text, person, now, is_broadcast=True)
            return Done(get_run(connection, run.run_id), is_new=True)


def _settle_undo(
    connection: Connection, run: Run, row: StepRow, has_happened: bool, person: Person, now: float
) -> Done:
    """Of an undo whose answer was lost: it happened, or the next Undo makes it once more."""
    word = "happened" if has_happened else "did not happen"
    detail = f"its undo {word}: said by {person.user_id}"
    settled = (
        replace(row, state=StepState.UNDONE, lease_released=True, detail=detail)
        if has_happened
        else replace(row, state=StepState.SUCCEEDED, detail=detail)
    )
    _write_step(connection, run.run_id, settled, now)
    then = "nothing of it is left" if has_happened else "`undo` makes it once more"
    text = f"Said that the undo of “{row.name}” {word}: {then}"
    say(connection, run, f"undo_settled:{row.step_id}:{now:.3f}", "step.settled", text, person, now, is_broadcast=True)
    return Done(get_run(connection, run.run_id), is_new=True)


def _step(connection: Connection, run: Run, step_id: str) -> StepRow:
    rows = get_steps(connection, run.run_id)
    if not rows:
        raise InvalidTransition(f"{handle_of(run.run_id)} has not begun; `cancel` keeps it from doing so")
    must_be_known(step_id, [row.step_id for row in rows])
    return next(row for row in rows if row.step_id == step_id)


def _set(connection: Connection, run: Run, **values: Any) -> None:
    connection.execute(update(schema.run).where(schema.run.c.run_id == run.run_id).values(**values))
    wish_incident(connection, incident_number(run.incident_id))


def _write_step(connection: Connection, run_id: str, row: StepRow, now: float) -> None:
    table = schema.run_step
    same = (table.c.run_id == run_id) & (table.c.step_id == row.step_id)
    connection.execute(
        update(table)
        .where(same)
        .values(
            state=row.state.value,
            detail=row.detail,
            following=row.following,
            outputs=row.outputs,
            lease_id=row.lease_id,
            lease_released=row.lease_released,
            updated_at=now,
        )
    )


def _paused_at(connection: Connection, run_id: str) -> float:
    at = connection.execute(select(schema.run.c.paused_at).where(schema.run.c.run_id == run_id)).scalar_one()
    return float(at)


def _stood_still(now: float, since: float, *begun: float | None) -> float:
    """How long something has stood still that may have begun after the pause did."""
    return max(0.0, now - max(since, *(at for at in begun if at is not None), since))


def _move_questions(connection: Connection, run_id: str, since: float, now: float) -> None:
    """Give open approvals and countdowns the time back during which the run was paused."""
    asked, said = schema.approval, schema.announcement
    is_open = (asked.c.run_id == run_id) & (asked.c.state == "open")
    for row in connection.execute(select(asked).where(is_open)).all():
        longer = row.expires_at + _stood_still(now, since, row.requested_at)
        connection.execute(update(asked).where(asked.c.approval_id == row.approval_id).values(expires_at=longer))
    counts = (said.c.run_id == run_id) & (said.c.state == "open") & said.c.ends_at.is_not(None)
    for row in connection.execute(select(said).where(counts)).all():
        later = row.ends_at + _stood_still(now, since, row.delivered_at)
        same = said.c.announcement_id == row.announcement_id
        connection.execute(update(said).where(same).values(ends_at=later))
