"""What people do with runs: start, repeat, pause, leave a step out, say what came of an act. Each is one transaction.

Doing the same again changes nothing and answers the same. What is not possible now raises InvalidTransition, which says
what is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import InvalidTransition, NotFoundError
from opsbot.incident.handle import digits_in, digits_of, handle_of
from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.result import Next
from opsbot.runbook.run import INTERPRETER_VERSION, RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import StepRow
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.incident_rows import insert_incident
from opsbot.store.rows import get_incident, incident_number, to_run, wish_incident, write_entry
from opsbot.store.run_queue import RunbookToRun
from opsbot.store.runs import get_run, get_steps
from opsbot.yamlfile import suggest

MANUAL = "ManualRun"
"""What stands where an alert's name would, in the incident of a run that a person started."""
PAUSABLE = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.WAITING})
REPEATABLE = frozenset({RunState.HOLDING, RunState.NEEDS_PERSON})
"""A run in one of these makes no further step by itself; so may one that is over be repeated."""
NOT_YET_ACTED = frozenset({StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY})


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that a person asks for.

    Args:
        labels: of the target, as an alert would carry them.
        inputs: checked against the runbook.
        request_id: the same one again is the same run.
        incident_id: where it belongs; None opens an incident of its own.
    """

    runbook: RunbookToRun
    labels: Mapping[str, str]
    inputs: Mapping[str, Any]
    request_id: str
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The run as it is now, and whether this call has changed anything."""

    run: Run
    is_new: bool


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

    def start(self, asked: Asked, person: Person, now: float) -> Done:
        """Queue a run, with an incident of its own unless one is named.

        Raises: NotFoundError; InvalidTransition if its incident is over.
        """
        run_id = f"run:{asked.runbook.runbook_id}:{asked.request_id}:1:1"
        with self._database.write() as connection:
            known = _run_or_none(connection, run_id)
            if known is not None:
                return Done(known, is_new=False)
            if asked.incident_id is None:
                incident = _open(connection, asked, person, now)
            else:
                incident = get_incident(connection, incident_number(asked.incident_id))
                if incident.merged_into is not None:
                    incident = get_incident(connection, incident_number(incident.merged_into))
                _must_be_open(incident)
            labels = {**incident.labels, **asked.labels}
            _queue(connection, run_id, incident, asked.runbook, labels, asked.inputs, person, now)
            text = f"Started “{asked.runbook.name}” by hand{_with(asked.inputs)}"
            _say(connection, get_run(connection, run_id), "started", "run.started_by_hand", text, person, now)
            return Done(get_run(connection, run_id), is_new=True)

    def again(self, run_id: str, person: Person, from_step: str | None, now: float) -> Done:
        """Queue the next attempt of a run that makes no further step: same revision, labels and inputs.

        Args:
            from_step: where it begins; what stands before that is left as the earlier attempt left it.

        Raises: NotFoundError; InvalidTransition if the run is under way or its incident is over.
        """
        with self._database.write() as connection:
            run = find_run(connection, run_id)
            follower = connection.execute(select(schema.run.c.run_id).where(schema.run.c.follows == run.run_id)).first()
            if follower is not None:
                return Done(get_run(connection, follower.run_id), is_new=False)
            handle = handle_of(run.run_id)
            if RUN_TRANSITIONS[run.state] and run.state not in REPEATABLE:
                raise InvalidTransition(
                    f"{handle} is {run.state.value}; it can be repeated when it is over: cancel it first"
                )
            incident = get_incident(connection, incident_number(run.incident_id))
            _must_be_open(incident)
            runbook = pinned_runbook(run.runbook_json, run.revision)
            if from_step is not None:
                _must_be_known(from_step, [step.step_id for step in runbook.steps])
            cause = run.run_id.rpartition(":")[0]
            next_id = f"{cause}:{_last_attempt(connection, cause) + 1}"
            pinned = RunbookToRun(run.runbook_id, runbook.name, run.revision, run.runbook_json)
            _queue(
                connection, next_id, incident, pinned, run.labels, run.inputs, person, now,
                follows=run.run_id, from_step=from_step,
            )  # fmt: skip
            where = "from its beginning" if from_step is None else f"from the step {from_step}"
            text = f"Repeats “{runbook.name}” ({handle}) {where}, as {handle_of(next_id)}"
            _say(connection, run, "again", "run.repeated", text, person, now)
            return Done(get_run(connection, next_id), is_new=True)

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
            _say(connection, run, f"paused:{now:.3f}", "run.paused", text, person, now, is_broadcast=True)
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
            _say(connection, run, f"resumed:{now:.3f}", "run.resumed", "Resumed the run", person, now)
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
            _say(
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
            _say(connection, run, f"settled:{step_id}:{digest}", "step.settled", text, person, now, is_broadcast=True)
            return Done(get_run(connection, run.run_id), is_new=True)


def find_run(connection: Connection, text: str) -> Run:
    """The run with that id, or that handle; raises NotFoundError, also where a handle may mean several."""
    exact = _run_or_none(connection, text)
    if exact is not None:
        return exact
    digits = digits_in(text)
    if digits is None:
        raise NotFoundError(f"there is no run {text!r}; `opsbot runs --all` lists them with handles such as r-3fa2c1")
    table = schema.run
    query = select(table).where(table.c.handle.startswith(digits, autoescape=True)).limit(5)
    found = [to_run(row) for row in connection.execute(query)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(f"there is no run {text}; `opsbot runs --all` lists them")
    names = ", ".join(f"r-{digits_of(run.run_id)} ({run.runbook_id}, {run.state.value})" for run in found)
    raise NotFoundError(f"{text} may mean several runs; say which: {names}")


def _run_or_none(connection: Connection, run_id: str) -> Run | None:
    row = connection.execute(select(schema.run).where(schema.run.c.run_id == run_id)).first()
    return None if row is None else to_run(row)


def _step(connection: Connection, run: Run, step_id: str) -> StepRow:
    rows = get_steps(connection, run.run_id)
    if not rows:
        raise InvalidTransition(f"{handle_of(run.run_id)} has not begun; `cancel` keeps it from doing so")
    _must_be_known(step_id, [row.step_id for row in rows])
    return next(row for row in rows if row.step_id == step_id)


def _must_be_known(step_id: str, known: list[str]) -> None:
    if step_id not in known:
        raise NotFoundError(f"there is no step {step_id!r}{suggest(step_id, known)}; there are {', '.join(known)}")


def _must_be_open(incident: Incident) -> None:
    if incident.is_resolved:
        raise InvalidTransition(
            f"{incident.incident_id} is resolved, and nothing runs for it any more; start the runbook by hand instead: "
            "`opsbot run RUNBOOK`"
        )


def _last_attempt(connection: Connection, cause: str) -> int:
    table = schema.run
    query = select(table.c.run_id).where(table.c.run_id.startswith(f"{cause}:", autoescape=True))
    attempts = (str(run_id).rpartition(":")[2] for run_id in connection.execute(query).scalars())
    return max((int(attempt) for attempt in attempts if attempt.isdigit()), default=0)


def _open(connection: Connection, asked: Asked, person: Person, now: float) -> Incident:
    """An incident without an alert: nothing but a person ends it. Whoever started the run has it."""
    where = f" on {asked.labels['cluster']}" if asked.labels.get("cluster") else ""
    labels = {"alertname": MANUAL, "severity": "low", "runbook": asked.runbook.runbook_id, **asked.labels}
    alert = Alert(labels, {}, AlertState.FIRING, now, source="person")
    incident = Incident(
        incident_id="",
        fingerprint=f"manual:{hashlib.sha256(asked.request_id.encode()).hexdigest()[:32]}",
        episode=1,
        title=f"Run by hand: {asked.runbook.name}{where}",
        description="Somebody started a runbook. It stays open, and what the run sets is held, until it is resolved.",
        severity="low",
        labels=labels,
        state=IncidentState.ACKNOWLEDGED,
        opened_at=now,
        updated_at=now,
        acknowledged_by=person.user_id,
        num_alerts=0,
        num_firing=0,
    )
    return insert_incident(connection, alert, incident, now)


def _queue(
    connection: Connection,
    run_id: str,
    incident: Incident,
    runbook: RunbookToRun,
    labels: Mapping[str, str] | None,
    inputs: Mapping[str, Any],
    person: Person,
    now: float,
    *,
    follows: str | None = None,
    from_step: str | None = None,
) -> None:
    connection.execute(
        insert(schema.run).values(
            run_id=run_id,
            handle=digits_of(run_id),
            incident_number=incident_number(incident.incident_id),
            runbook_id=runbook.runbook_id,
            runbook_name=runbook.name,
            revision=runbook.revision,
            runbook_json=runbook.runbook_json,
            interpreter_version=INTERPRETER_VERSION,
            labels=None if labels is None else dict(labels),
            state=RunState.QUEUED.value,
            detail="",
            created_at=now,
            requester=person.user_id,
            inputs=dict(inputs),
            follows=follows,
            from_step=from_step,
        )
    )


def _with(inputs: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={value}" for name, value in inputs.items())
    return f" with {given}" if given else ""


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


def _say(
    connection: Connection,
    run: Run,
    fact: str,
    kind: str,
    text: str,
    person: Person,
    now: float,
    *,
    is_broadcast: bool = False,
) -> None:
    key = f"{run.run_id}:{fact}"
    entry = TimelineEntry(key, run.incident_id, now, person.user_id, kind, text, is_broadcast, person.via)
    write_entry(connection, entry)
