"""Runs that people ask for: started by hand, or repeated. Asked for again, it is the same run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import InvalidTransition
from opsbot.incident.handle import digits_of, handle_of
from opsbot.incident.incident import Incident, IncidentState
from opsbot.people import Person
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.run import INTERPRETER_VERSION, RUN_TRANSITIONS, RunState
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.incident_rows import insert_incident
from opsbot.store.rows import get_incident, incident_number
from opsbot.store.run_names import Done, find_run, must_be_known, run_or_none, say
from opsbot.store.run_queue import RunbookToRun
from opsbot.store.runs import get_run

MANUAL = "ManualRun"
"""What stands where an alert's name would, in the incident of a run that a person started."""
STAYS_OPEN = "Somebody started a runbook. It stays open, and what the run sets is held, until it is resolved."
ENDS_WITH_ITS_RUN = (
    "Somebody started a runbook. This ends with its run, or gives back what that has set when it is resolved."
)
REPEATABLE = frozenset({RunState.HOLDING, RunState.NEEDS_PERSON})
"""A run in one of these makes no further step by itself; so may one that is over be repeated."""


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


class RunStarts:
    """Every method commits before it returns, and changes nothing when it raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, asked: Asked, person: Person, now: float) -> Done:
        """Queue a run, with an incident of its own unless one is named.

        Raises: NotFoundError; InvalidTransition if its incident is over.
        """
        run_id = f"run:{asked.runbook.runbook_id}:{asked.request_id}:1:1"
        with self._database.write() as connection:
            known = run_or_none(connection, run_id)
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
            say(connection, get_run(connection, run_id), "started", "run.started_by_hand", text, person, now)
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
                must_be_known(from_step, [step.step_id for step in runbook.steps])
            cause = run.run_id.rpartition(":")[0]
            next_id = f"{cause}:{_last_attempt(connection, cause) + 1}"
            pinned = RunbookToRun(run.runbook_id, runbook.name, run.revision, run.runbook_json)
            _queue(
                connection, next_id, incident, pinned, run.labels, run.inputs, person, now,
                follows=run.run_id, from_step=from_step,
            )  # fmt: skip
            where = "from its beginning" if from_step is None else f"from the step {from_step}"
            text = f"Repeats “{runbook.name}” ({handle}) {where}, as {handle_of(next_id)}"
            say(connection, run, "again", "run.repeated", text, person, now)
            return Done(get_run(connection, next_id), is_new=True)


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
    runbook = pinned_runbook(asked.runbook.runbook_json, asked.runbook.revision)
    where = f" on {asked.labels['cluster']}" if asked.labels.get("cluster") else ""
    labels = {"alertname": MANUAL, "severity": "low", "runbook": asked.runbook.runbook_id, **asked.labels}
    alert = Alert(labels, {}, AlertState.FIRING, now, source="person")
    incident = Incident(
        incident_id="",
        fingerprint=f"manual:{hashlib.sha256(asked.request_id.encode()).hexdigest()[:32]}",
        episode=1,
        title=f"Run by hand: {asked.runbook.name}{where}",
        description=ENDS_WITH_ITS_RUN if runbook.is_by_hand else STAYS_OPEN,
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
