"""One arbiter for each knob: which run has it, which person holds it, and the global stop.

A lock dies with the run that has it. Only what a run has not given back keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from opsbot.errors import ConfigError, InvalidTransition, NotFoundError
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.held import is_live
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState
from opsbot.runbook.store import Blocker, Claim, Halt, KnobHold, StepRow
from opsbot.store import schema
from opsbot.store.approvals import mention
from opsbot.store.database import Database
from opsbot.store.notices import write_notice
from opsbot.store.rows import incident_id, to_run, wish_incident, write_entry


class KnobRepository:
    """Holds and the global stop, as people set them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        with self._database.read() as connection:
            return halt(connection)

    def stop_all(self, reason: str, person: Person, now: float) -> Halt:
        """Stop every run from changing anything; one that is in force stays as it is."""
        with self._database.write() as connection:
            known = halt(connection)
            if known is not None:
                return known
            connection.execute(insert(schema.halt).values(reason=reason, created_by=person.user_id, created_at=now))
            found = halt(connection)
            assert found is not None
            _tell(connection, f"halt:{found.number}", "run.halted", f"Stopped all runs: {reason}", person, now)
            return found

    def go_on(self, person: Person, now: float) -> Halt | None:
        """Lift the global stop; answers the one that was in force."""
        with self._database.write() as connection:
            known = halt(connection)
            if known is not None:
                values = {"ended_by": person.user_id, "ended_at": now}
                connection.execute(update(schema.halt).where(schema.halt.c.number == known.number).values(**values))
                text = f"Let all runs go on; they were stopped: {known.reason}"
                _tell(connection, f"halt:{known.number}:over", "run.unhalted", text, person, now)
            return known

    def holds(self, now: float) -> tuple[KnobHold, ...]:
        """Holds in force, oldest first."""
        with self._database.read() as connection:
            return _holds(connection, now)

    def blockers(self, wanted: Claim, now: float) -> tuple[Blocker, ...]:
        """Why a step could not have its knobs now; takes nothing, and a drill that has one gives way."""
        with self._database.read() as connection:
            return (
                *_held_by_people(connection, wanted, now),
                *_over_the_limit(connection, wanted),
                *(
                    _held_by_run(knob, holder)
                    for knob in sorted(set(wanted.knobs))
                    if (holder := _holder(connection, knob, wanted.run)) is not None
                    and (wanted.run.is_drill or not holder.is_drill)
                ),
            )

    def hold(self, pattern: str, reason: str, person: Person, now: float, ends_at: float) -> KnobHold:
        """Let no run turn the knobs of *pattern* until *ends_at*; raises ConfigError for what is no pattern."""
        if pattern.count("/") != 1 or not all(pattern.split("/")):
            raise ConfigError(
                f"{pattern!r} names no knob; write CLUSTER/KNOB, such as eu-1/batch_limit, eu-1/* or */shed"
            )
        with self._database.write() as connection:
            for known in _holds(connection, now):
                if (known.pattern, known.reason, known.created_by) == (pattern, reason, person.user_id):
                    # Asked for again: it is the same hold, which lasts as long as the longer of the two.
                    ends_at = max(ends_at, known.ends_at)
                    table = schema.hold
                    connection.execute(update(table).where(table.c.number == known.number).values(ends_at=ends_at))
                    return replace(known, ends_at=ends_at)
            values = {"pattern": pattern, "reason": reason, "created_by": person.user_id, "created_at": now}
            number = connection.execute(insert(schema.hold).values(ends_at=ends_at, **values)).inserted_primary_key
            assert number is not None
            text = f"{person.user_id} holds {pattern}, so no run turns it: {reason}"
            write_notice(connection, f"hold:{number[0]}", text, person.user_id, now)
            return KnobHold(number[0], pattern, reason, person.user_id, now, ends_at)

    def let_go(self, number: int, person: Person, now: float) -> KnobHold:
        """Lift a hold; raises NotFoundError if none of that number is in force."""
        with self._database.write() as connection:
            found = next((one for one in _holds(connection, now) if one.number == number), None)
            if found is None:
                raise NotFoundError(f"there is no hold {number} in force")
            values = {"ended_by": person.user_id, "ends_at": now}
            connection.execute(update(schema.hold).where(schema.hold.c.number == number).values(**values))
            text = f"{person.user_id} has let go of {found.pattern}; runs may turn it again"
            write_notice(connection, f"hold:{number}:over", text, person.user_id, now)
            return found


def _tell(connection: Connection, key: str, kind: str, text: str, person: Person, now: float) -> None:
    """Say in the channel, and on the timeline of each incident with a run under way, what holds for all runs."""
    write_notice(connection, key, f"{person.user_id}: {text}", person.user_id, now)
    open_ones = select(schema.incident.c.number).where(schema.incident.c.state != IncidentState.RESOLVED.value)
    for number in connection.execute(open_ones).scalars().all():
        # Each message shows whether all runs are stopped.
        wish_incident(connection, number)
    run = schema.run
    over = [state.value for state, following in RUN_TRANSITIONS.items() if not following]
    under_way = select(run.c.incident_number).where(run.c.state.not_in(over)).distinct()
    for number in connection.execute(under_way).scalars().all():
        name = incident_id(number)
        said = TimelineEntry(f"{name}:{key}", name, now, person.user_id, kind, text, via=person.via)
        write_entry(connection, said, is_quiet=True)


def halt(connection: Connection) -> Halt | None:
    """The global stop in force, if any."""
    table = schema.halt
    row = connection.execute(select(table).where(table.c.ended_at.is_(None)).order_by(table.c.number)).first()
    return None if row is None else Halt(row.number, row.reason, row.created_by, row.created_at)


def claim(connection: Connection, claim: Claim, now: float) -> tuple[Blocker, ...]:
    """Take every lock, or none and answer why."""
    blockers = [*_held_by_people(connection, claim, now), *_over_the_limit(connection, claim)]
    free: list[str] = []
    table = schema.knob_lock
    for knob in sorted(set(claim.knobs)):
        holder = _holder(connection, knob, claim.run)
        if holder is None or _preempt(connection, holder, claim.run, now):
            free.append(knob)
            continue
        blockers.append(_held_by_run(knob, holder))
    if blockers:
        return tuple(blockers)
    for knob in free:
        connection.execute(delete(table).where(table.c.knob == knob))
        connection.execute(insert(table).values(knob=knob, run_id=claim.run.run_id, step_id=claim.step_id, at=now))
    return ()


def _holder(connection: Connection, knob: str, wanting: Run) -> Run | None:
    """Another run that has the knob and is not over."""
    table = schema.knob_lock
    row = connection.execute(select(table).where(table.c.knob == knob)).first()
    # Who repeats a run takes over what that one has.
    if row is None or row.run_id in (wanting.run_id, wanting.follows):
        return None
    holder = _run(connection, row.run_id)
    return holder if holder is not None and RUN_TRANSITIONS[holder.state] else None


def _held_by_run(knob: str, holder: Run) -> Blocker:
    return Blocker(knob, f"{knob} is held by runbook {holder.runbook_id} ({holder.incident_id})")


def free(connection: Connection, run_id: str, rows: Sequence[StepRow]) -> None:
    """Give back the locks of a run's steps that hold nothing (any more)."""
    table = schema.knob_lock
    kept = {row.step_id.partition("[")[0] for row in rows if is_live(row)}
    connection.execute(delete(table).where(table.c.run_id == run_id, table.c.step_id.not_in(kept)))


def _preempt(connection: Connection, holder: Run, wanting: Run, now: float) -> bool:
    """Whether a drill gives way to an incident: it is told to undo, and its layer may end after ours began."""
    if not holder.is_drill or wanting.is_drill:
        return False
    if holder.state not in (RunState.UNDOING, RunState.FINISHING):
        if RunState.UNDOING not in RUN_TRANSITIONS[holder.state]:
            raise InvalidTransition(f"the drill {holder.run_id} is {holder.state.value}")
        why = f"gives way to {wanting.runbook_id} of {wanting.incident_id}"
        table = schema.run
        connection.execute(
            update(table).where(table.c.run_id == holder.run_id).values(state=RunState.UNDOING.value, detail=why)
        )
        wish_incident(connection, int(holder.incident_id.rpartition("-")[2]))
    return True


def _held_by_people(connection: Connection, claim: Claim, now: float) -> list[Blocker]:
    found = []
    for hold in _holds(connection, now):
        for knob in claim.knobs:
            if fnmatchcase(knob, hold.pattern):
                text = f"{knob} is held by {mention(hold.created_by)}: {hold.reason}"
                found.append(Blocker(knob, text, is_person=True))
    return found


def _over_the_limit(connection: Connection, claim: Claim) -> list[Blocker]:
    if claim.most_clusters is None or not claim.clusters:
        return []
    run, lock = schema.run, schema.knob_lock
    query = select(lock.c.knob).join(run, run.c.run_id == lock.c.run_id).where(run.c.runbook_id == claim.run.runbook_id)
    # A lock of the runbook's own naming is no cluster.
    held = {str(knob).partition("/")[0] for knob in connection.execute(query).scalars()} - {"lock"}
    if len(held | set(claim.clusters)) <= claim.most_clusters:
        return []
    return [
        Blocker(
            cluster,
            f"{cluster} would be one more than the {claim.most_clusters} on which this runbook may hold something "
            f"at once (now {', '.join(sorted(held))})",
        )
        for cluster in claim.clusters
        if cluster not in held
    ]


def _holds(connection: Connection, now: float) -> tuple[KnobHold, ...]:
    table = schema.hold
    query = select(table).where(table.c.ends_at > now).order_by(table.c.number)
    return tuple(_to_hold(row) for row in connection.execute(query))


def _to_hold(row: Row[Any]) -> KnobHold:
    return KnobHold(row.number, row.pattern, row.reason, row.created_by, row.created_at, row.ends_at)


def _run(connection: Connection, run_id: str) -> Run | None:
    row = connection.execute(select(schema.run).where(schema.run.c.run_id == run_id)).first()
    return None if row is None else to_run(row)
