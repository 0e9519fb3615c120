"""Runs by the names that people use, and what is said of them: shared by whoever changes runs by a person's word."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from opsbot.errors import NotFoundError
from opsbot.incident.handle import digits_in, digits_of
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.run import Run
from opsbot.store import schema
from opsbot.store.rows import to_run, write_entry
from opsbot.yamlfile import suggest


@dataclass(frozen=True, slots=True)
class Done:
    """The run as it is now, and whether this call has changed anything."""

    run: Run
    is_new: bool


def find_run(connection: Connection, text: str) -> Run:
    """The run with that id, or that handle; raises NotFoundError, also where a handle may mean several."""
    exact = run_or_none(connection, text)
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


def run_or_none(connection: Connection, run_id: str) -> Run | None:
    """The run with that id."""
    row = connection.execute(select(schema.run).where(schema.run.c.run_id == run_id)).first()
    return None if row is None else to_run(row)


def must_be_known(step_id: str, known: list[str]) -> None:
    """Raises: NotFoundError that names the steps there are."""
    if step_id not in known:
        raise NotFoundError(f"there is no step {step_id!r}{suggest(step_id, known)}; there are {', '.join(known)}")


def say(
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
    """Write an entry of *person*'s on the run's incident, once for each *fact*."""
    key = f"{run.run_id}:{fact}"
    entry = TimelineEntry(key, run.incident_id, now, person.user_id, kind, text, is_broadcast, person.via)
    write_entry(connection, entry)
