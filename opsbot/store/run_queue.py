"""Runs that alerts ask for, queued in the same transaction as their incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from opsbot.alert.record import AlertRecord
from opsbot.incident import tracker
from opsbot.incident.handle import digits_of
from opsbot.incident.incident import Incident
from opsbot.incident.tracker import Note
from opsbot.runbook.run import INTERPRETER_VERSION, RunState
from opsbot.store import schema
from opsbot.store.rows import incident_number, write_entry


@dataclass(frozen=True, slots=True)
class RunbookToRun:
    """A pinned runbook revision that an alert asks for."""

    runbook_id: str
    name: str
    revision: str
    runbook_json: str


def queue_runs(
    connection: Connection,
    record: AlertRecord,
    incident: Incident,
    runbooks: Sequence[RunbookToRun],
    now: float,
) -> list[str]:
    """Queue what an alert asks for, once for each runbook and cluster of an incident; answers the runs' ids."""
    queued: list[str] = []
    table, number = schema.run, incident_number(incident.incident_id)
    for runbook in runbooks:
        there = connection.execute(
            select(table.c.labels).where(table.c.incident_number == number, table.c.runbook_id == runbook.runbook_id)
        ).all()
        if any(_cluster(row.labels or incident.labels) == _cluster(record.labels) for row in there):
            continue
        cause = f"run:{runbook.runbook_id}:{record.fingerprint}:{record.episode}"
        # The same firing may open a second incident, once somebody has resolved the first.
        earlier = select(func.count()).where(table.c.run_id.startswith(f"{cause}:", autoescape=True))
        run_id = f"{cause}:{1 + connection.execute(earlier).scalar_one()}"
        connection.execute(
            insert(table).values(
                run_id=run_id,
                handle=digits_of(run_id),
                incident_number=number,
                runbook_id=runbook.runbook_id,
                runbook_name=runbook.name,
                revision=runbook.revision,
                runbook_json=runbook.runbook_json,
                interpreter_version=INTERPRETER_VERSION,
                labels=dict(record.labels),
                state=RunState.QUEUED.value,
                detail="",
                created_at=now,
            )
        )
        note = Note("run.queued", f"Runbook “{runbook.name}” matches and is started")
        write_entry(connection, tracker.entry(incident.incident_id, note, now, suffix=run_id))
        queued.append(run_id)
    return queued


def _cluster(labels: Mapping[str, str]) -> str:
    return labels.get("cluster", "")
