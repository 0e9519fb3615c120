"""A world whose actions write to a file: runs without a server, for what is not about leases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from opsbot.alert.alert import Alert
from opsbot.incident.timeline import TimelineEntry
from opsbot.people import Person
from opsbot.runbook.case import announcement_id, approval_id
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.run import Run
from opsbot.runbook.store import AnnouncementState, StepRow
from opsbot.store import schema
from opsbot.store.approvals import ApprovalRepository
from opsbot.store.knobs import KnobRepository
from tests.support.noting import Notes, noting
from tests.support.ports import free_port
from tests.support.runs import RunWorld, SaidMetrics
from tests.support.settling import set_run

HEAD = """
version: 1
id: {runbook_id}
name: A runbook
owner: tests
mode: {mode}
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
"""


def runbook(steps: str, *, more: str = "", mode: str = "auto", runbook_id: str = "noted") -> str:
    """A runbook of *steps*, each a line `{…}`; *more* are further lines of its head."""
    lines = "\n".join(f"  - {line.strip()}" for line in steps.strip().splitlines())
    return f"{HEAD.format(mode=mode, runbook_id=runbook_id)}{more}\nsteps:\n{lines}\n"


def note(step_id: str, more: str = "", *, uses: str = "tests.note") -> str:
    """A step that writes its own id; *more* are further keys of it."""
    return (
        f"{{id: {step_id}, name: Note {step_id}, uses: {uses}, with: {{what: {step_id}}}{', ' if more else ''}{more}}}"
    )


class NotedWorld(RunWorld):
    """Store and notes of one test."""

    def __init__(self, folder: Path, metrics: SaidMetrics | None = None) -> None:
        super().__init__(folder, f"http://127.0.0.1:{free_port()}", metrics)
        self.notes = Notes(folder / "notes")
        self.actions += noting(self.notes)
        self.knobs = KnobRepository(self.database)
        self.approvals = ApprovalRepository(self.database)
        self.clusters: tuple[str, ...] = ()
        self.lock_wait_s = 30.0

    def executor(self, executor_id: str = "core-test") -> Executor:
        """A new executor over the same disk, with short pauses."""
        settings = ExecutorSettings(
            f"sqlite:///{self.folder}/dbos.sqlite",
            executor_id,
            max_hold_s=self.max_hold_s,
            poll_s=0.05,
            clusters=self.clusters,
            lock_wait_s=self.lock_wait_s,
        )
        return Executor(settings, self.runs, self.registry, self.metrics, self.clock)

    def alert(self, name: str, *, is_resolved: bool = False) -> Alert:
        """Each cause is an alert of its own name, and so an incident of its own."""
        found = super().alert(name, is_resolved=is_resolved)
        return replace(found, labels={**found.labels, "alertname": f"Trouble_{name}"})

    def fire_as(self, name: str, text: str, **columns: Any) -> str:
        """Open an incident that starts the runbook, and write columns of its run before anybody sees it."""
        run_id = self.fire(name, text)
        if columns:
            set_run(self.database, run_id, **columns)
        return run_id

    def row(self, run_id: str, step_id: str) -> StepRow:
        """One step."""
        return next(row for row in self.runs.steps(run_id) if row.step_id == step_id)

    def states(self, run_id: str) -> dict[str, str]:
        """The states of all steps and items."""
        return {row.step_id: row.state.value for row in self.runs.steps(run_id)}

    def vote(self, run_id: str, step_id: str, user: str, *, number: int = 0, **more: Any) -> None:
        """Grant a step's approval as *user*."""
        self.approvals.decide(
            approval_id(run_id, step_id, number), is_granted=True, person=Person(user), now=self.clock.now(), **more
        )

    def answer(self, run_id: str, step_id: str, state: AnnouncementState, user: str = "U1") -> None:
        """Object to an announcement, or say that it should be made now."""
        said = self._said(run_id, f"answer:{state}:{user}")
        announcement = announcement_id(run_id, step_id)
        self.approvals.answer_announcement(announcement, state, Person(user), "a reason", self.clock.now(), said)

    def offer(self, run_id: str, step_id: str, user: str) -> None:
        """Offer capacity."""
        said = self._said(run_id, f"offer:{user}")
        self.approvals.offer_capacity(announcement_id(run_id, step_id), Person(user), self.clock.now(), said)

    def _said(self, run_id: str, fact: str) -> TimelineEntry:
        incident = self.runs.run(run_id).incident_id
        return TimelineEntry(f"{run_id}:{fact}", incident, self.clock.now(), "U1", "test", fact)

    def deliver(self, key: str) -> None:
        """Slack, or the pager, has taken an outbox item whose key begins so."""
        table = schema.outbox
        with self.database.write() as connection:
            is_it = table.c.key.startswith(key, autoescape=True)
            assert connection.execute(update(table).where(is_it).values(state="delivered")).rowcount == 1

    def outbox(self) -> tuple[str, ...]:
        """The keys of all that is to be said."""
        with self.database.read() as connection:
            return tuple(connection.execute(select(schema.outbox.c.key)).scalars())

    def locks(self) -> dict[str, str]:
        """Which run has which knob."""
        table = schema.knob_lock
        with self.database.read() as connection:
            return {str(row.knob): str(row.run_id) for row in connection.execute(select(table))}

    async def until_text(self, run_id: str, part: str) -> None:
        """Wait until a timeline entry says *part*."""
        await self.until(
            lambda: self.texts(run_id), lambda texts: any(part in text for text in texts), lambda: self.say(run_id)
        )

    async def until_text_times(self, run_id: str, kind: str, times: int) -> None:
        """Wait until the timeline has so many entries of *kind*."""
        await self.until(lambda: self.kinds(run_id).count(kind), lambda found: found == times, lambda: self.say(run_id))

    async def until_said(self, *lines: str) -> None:
        """Wait until exactly these lines are written."""
        await self.until(self.notes.said, lambda said: said == list(lines), lambda: str(self.notes.said()))

    async def stays(self, read: Callable[[], object], seconds: float = 0.4) -> None:
        """Nothing of what is read changes for a while."""
        before = await asyncio.to_thread(read)
        await asyncio.sleep(seconds)
        assert await asyncio.to_thread(read) == before

    async def ended(self, run_id: str) -> Run:
        """Wait until the run is over."""
        return await self.until_run(run_id, "succeeded", "failed", "undone", "cancelled")
