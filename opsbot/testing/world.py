"""The bot of one test: the real executor, store, desk and rules, in virtual time, with mocked actions.

What a crash leaves (the store, the journal, the server behind the mocks, the metrics) is here; `Process` is what dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import select as sql_select
from sqlalchemy import update

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.policy import AlertPolicy
from opsbot.desk import Desk
from opsbot.people import Person, Role
from opsbot.run_desk import RunDesk
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.model import Runbook
from opsbot.runbook.run import Run, RunState, StepState
from opsbot.runbook.select import select
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, RunStore
from opsbot.store import schema
from opsbot.store.approvals import to_announcement, to_approval
from opsbot.store.repositories import Repositories
from opsbot.store.rows import to_run
from opsbot.store.run_queue import RunbookToRun
from opsbot.testing.action import MockedRegistry, Server
from opsbot.testing.case import Case
from opsbot.testing.crash import Deaths
from opsbot.testing.engine import Journal, MemoryEngine
from opsbot.testing.known import real_actions
from opsbot.testing.metrics import SeriesMetrics
from opsbot.testing.rules import RuledAlerts
from opsbot.testing.store import QuickDatabase, TestedStore
from opsbot.testing.virtual import VirtualClock
from opsbot.testing.wire import EVERY

LONGEST_ROUND_S = 5.0
ALL_ROLES: frozenset[Role] = frozenset({"viewer", "responder", "commander", "trust_and_safety", "author"})


@dataclass(frozen=True, slots=True)
class Process:
    """What dies in a crash."""

    executor: Executor
    desk: Desk
    people: RunDesk


@dataclass(frozen=True, slots=True)
class UnknownAct:
    """A step or an item of which nobody knows whether it happened."""

    run_id: str
    step_id: str
    since: float


@dataclass(frozen=True, slots=True)
class _Known:
    version: int
    runs: tuple[Run, ...]
    approvals: tuple[ApprovalRow, ...]
    announcements: tuple[AnnouncementRow, ...]
    unknown: tuple[UnknownAct, ...]
    under_way: frozenset[str]


class World:
    """What a crash leaves."""

    def __init__(self, case: Case, database: QuickDatabase, clock: VirtualClock) -> None:
        test = case.test
        self.case = case
        self.clock = clock
        self.start_s = clock.now()
        self.deaths = deaths_of(test.crash_after)
        self.policy = AlertPolicy(is_paging=test.slack == "down")
        self.stores = Repositories.over(database, self.policy)
        self.metrics = SeriesMetrics(case.series, case.file.interval, clock)
        self.server = Server(case.mocks, self.metrics, clock, self.deaths)
        self.written = asyncio.Event()
        self.written_at = self.start_s
        database.on_write = self._wrote
        self._database = database
        self._journal: Journal = {}
        self._read: _Known | None = None
        self._rules = None if case.rules is None else RuledAlerts(case.rules, self.metrics.store)

    def _wrote(self) -> None:
        self.written_at = self.clock.now()
        self.written.set()

    def process(self) -> Process:
        """A new process over what is there."""
        real = real_actions(self.metrics, self.clock)
        store = TestedStore(self.stores.runs, self._database, self.deaths, is_slack_down=self.case.test.slack == "down")
        executor = Executor(
            ExecutorSettings("", "test", clusters=self.case.clusters, round_s=_round_s(self.case.runbook)),
            cast(RunStore, store),
            MockedRegistry(real, self.server),
            self.metrics,
            self.clock,
            MemoryEngine(self._journal, self.clock, self.deaths),
        )
        desk = Desk(self.stores, executor, self.policy, self._runbooks_for, lambda: None, self.clock)
        people = RunDesk(
            self.stores, executor, lambda: (self.case.runbook,), lambda: None, self.clock, self.case.clusters
        )
        return Process(executor, desk, people)

    def person(self, name: str) -> Person:
        """Somebody, with the roles that the file gives."""
        roles = self.case.file.people.get(name)
        return Person(name, ALL_ROLES if roles is None else frozenset(roles), "test")

    def alerts(self) -> Sequence[Alert]:
        """What fires or has just ended now; None of it twice matters to nobody."""
        if self._rules is not None:
            self.metrics.scrape()
            return self._rules.look(self.clock.now())
        return ()

    def alert(self, *, is_over: bool) -> Alert:
        """The test's own alert."""
        case, at = self.case, self.start_s + self.case.alert.at
        return Alert(
            case.labels,
            case.alert.annotations,
            AlertState.RESOLVED if is_over else AlertState.FIRING,
            at,
            self.clock.now() if is_over else None,
            None if case.alert.value is None else float(case.alert.value),
        )

    def give_inputs(self) -> None:
        """What the requester of a run says, and whether it rehearses, is written to the queued run."""
        test, table = self.case.test, schema.run
        if not (test.requester or test.inputs or test.drill):
            return
        values = {"requester": test.requester, "inputs": dict(test.inputs), "is_drill": test.drill}
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.state == RunState.QUEUED.value, table.c.admitted_at.is_(None))
                .values(**values)
            )

    def runs(self) -> tuple[Run, ...]:
        """Every run, the oldest first."""
        return self._known().runs

    def approvals(self) -> tuple[ApprovalRow, ...]:
        """Every request for an approval, the oldest first."""
        return self._known().approvals

    def announcements(self) -> tuple[AnnouncementRow, ...]:
        """Every announcement, the oldest first."""
        return self._known().announcements

    def unknown(self) -> tuple[UnknownAct, ...]:
        """Acts whose outcome is unknown."""
        return self._known().unknown

    def waits_for_a_word(self, run: Run) -> bool:
        """Whether somebody must say if a step of the run has happened, or let the run go on."""
        if any(one.run_id == run.run_id for one in self.unknown()):
            return True
        return run.paused_by is not None and run.run_id not in self._known().under_way

    def _known(self) -> _Known:
        """What is there; read again once somebody has written."""
        if self._read is None or self._read.version != self._database.version:
            run, asked, said, step = schema.run, schema.approval, schema.announcement, schema.run_step
            is_unknown = step.c.state == StepState.UNKNOWN.value
            is_under_way = step.c.state.in_((StepState.ACTING.value, StepState.VERIFYING.value))
            with self._database.read() as connection:
                runs = connection.execute(sql_select(run).order_by(run.c.created_at, run.c.run_id)).all()
                asks = connection.execute(sql_select(asked).order_by(asked.c.requested_at, asked.c.approval_id)).all()
                says = connection.execute(sql_select(said).order_by(said.c.requested_at, said.c.announcement_id)).all()
                unknown = connection.execute(sql_select(step).where(is_unknown).order_by(step.c.position)).all()
                under_way = connection.execute(sql_select(step.c.run_id).where(is_under_way)).scalars()
                self._read = _Known(
                    self._database.version,
                    tuple(to_run(row) for row in runs),
                    tuple(to_approval(connection, row) for row in asks),
                    tuple(to_announcement(row) for row in says),
                    tuple(UnknownAct(row.run_id, row.step_id, row.updated_at) for row in unknown),
                    frozenset(str(one) for one in under_way),
                )
        return self._read

    def _runbooks_for(self, alert: Alert) -> Sequence[RunbookToRun]:
        runbook = self.case.runbook
        if not self.case.test.requester and not select(alert, [runbook]):
            return []
        return [RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)]


def _round_s(runbook: Runbook) -> float:
    """Whatever people do wakes the executor at once; only leases and cooldowns need its rounds."""
    leases = [step.lease_s / 6 for step in runbook.steps if step.lease_s is not None]
    return min([LONGEST_ROUND_S, *leases])


def deaths_of(crash_after: Sequence[str]) -> Deaths:
    """Where the process dies."""
    return Deaths(every=EVERY in crash_after, steps=frozenset(crash_after) - {EVERY})
