"""`opsbot run --standalone`: one durable run in this process, without a bot; the terminal is where people read.

It has a store, an executor id and a lock of its own under the data folder. Killed in the middle, it goes on when it is
started again. Incidents, leases, approvals and rights are as ever; only Slack and pagers are not there.
"""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from opsbot.action.parts import ShippedParts
from opsbot.action.plugin import load_plugins
from opsbot.action.registry import shipped_actions
from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.config import Settings
from opsbot.config_secrets import prometheus_tokens
from opsbot.control_settings import control_client
from opsbot.errors import ConfigError, OpsbotError
from opsbot.incident.handle import handle_of
from opsbot.incident.view import RunView
from opsbot.people import Person, person_for
from opsbot.people_settings import roles_by_user
from opsbot.planning import found_runbook
from opsbot.run_desk import RunDesk
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.executor import Executor, ExecutorSettings
from opsbot.runbook.run import RunState
from opsbot.source_settings import asked_source
from opsbot.store.database import Database
from opsbot.store.repositories import Repositories

POLL_S = 0.05
EXECUTOR_POLL_S = 0.2
OVER = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Alone:
    """What is run, and how.

    Args:
        grants: approve whatever the person may approve, without asking.
        hold_s: how long to hold what was set; None: until Ctrl-C.
    """

    runbook: str
    cluster: str
    inputs: Mapping[str, object]
    grants: bool
    hold_s: float | None


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where it is said, and who is asked; *ask* answers None where nobody is there."""

    say: Callable[[str], None]
    ask: Callable[[str], bool | None]


async def run_alone(settings: Settings, environ: Mapping[str, str], wanted: Alone, terminal: Terminal) -> int:
    """Run it to its end; answers the exit status: 0 if it succeeded, 1 if not.

    Raises: ConfigError; StoreError.
    """
    person = _who(settings, environ)
    unset = [one.control_token_env for one in settings.serving if not environ.get(one.control_token_env)]
    if unset:
        raise ConfigError(f"the control tokens of the clusters are needed: set {', '.join(unset)}")
    folder = settings.data_dir / "standalone"
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        lock = stack.enter_context((folder / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another standalone run is under way in {folder}; wait for its end") from error
        database = Database(f"sqlite:///{folder}/opsbot.sqlite")
        stack.callback(database.close)
        stores = Repositories.over(database, AlertPolicy())
        control = control_client(settings, environ)
        stack.push_async_callback(control.close)
        prober = asked_source(settings, prometheus_tokens(settings, environ), clock)
        doors = {one.cluster: one.client_url or one.url for one in settings.serving}
        parts = ShippedParts(prober, control, clock, settings.actions, doors, stores.incidents, stores.silences)
        registry = shipped_actions(parts, load_plugins(settings.actions.plugins, clock).actions)
        runbook = found_runbook(settings, wanted.runbook, registry)
        clusters = tuple(one.cluster for one in settings.serving)
        executor = Executor(
            ExecutorSettings(
                f"sqlite:///{folder}/dbos.sqlite",
                "standalone",
                settings.runs.max_hold,
                EXECUTOR_POLL_S,
                clusters,
            ),
            stores.runs,
            registry,
            prober,
            clock,
        )
        desk = RunDesk(stores, executor, lambda: (runbook,), lambda: None, clock, clusters)
        left = [run for run in await asyncio.to_thread(stores.runs.unfinished) if not run.is_finished]
        await executor.start()
        stack.push_async_callback(executor.stop)
        show = asyncio.create_task(_show(stores, clock, terminal))
        stack.push_async_callback(_end, show)
        if left:
            terminal.say(f"{handle_of(left[0].run_id)} was left in the middle here; it goes on now.")
            run_id = left[0].run_id
        else:
            request = RunRequest(runbook.runbook_id, uuid4().hex, wanted.cluster, dict(wanted.inputs))
            answer = await desk.start(request, person)
            run_id = answer.run.run_id
        return await _Follow(desk, stores, executor, person, wanted, terminal).to_the_end(run_id)


@dataclass(slots=True)
class _Follow:
    desk: RunDesk
    stores: Repositories
    executor: Executor
    person: Person
    wanted: Alone
    terminal: Terminal

    async def to_the_end(self, run_id: str) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, stop.set)
        asked: set[str] = set()
        is_told = is_ending = False
        held_since: float | None = None
        while True:
            view = await self.desk.run(run_id)
            if view.state in OVER:
                # Its last words are written with its end.
                await asyncio.sleep(2 * POLL_S)
                self.terminal.say(f"{handle_of(run_id)} {view.state}: {view.detail}")
                return 0 if view.state == RunState.SUCCEEDED else 1
            for approval in view.approvals:
                if approval.approval_id not in asked:
                    asked.add(approval.approval_id)
                    await self._decide(
                        run_id, approval.approval_id, f"{approval.will_do}.\nAfterwards: {approval.undo}."
                    )
            if view.state == RunState.HOLDING and held_since is None:
                held_since = loop.time()
                limit = "Ctrl-C gives it back" if self.wanted.hold_s is None else f"for {self.wanted.hold_s:.0f} s"
                self.terminal.say(f"Held, and renewed while this runs; {limit}.")
            is_due = (
                held_since is not None
                and self.wanted.hold_s is not None
                and loop.time() - held_since >= self.wanted.hold_s
            )
            if held_since is not None and (is_due or stop.is_set()) and not is_ending:
                is_ending = True
                await self._give_back(view)
            elif stop.is_set() and held_since is None and not is_told:
                is_told = True
                self.terminal.say("Cancelled: what was set is taken back.")
                with suppress(OpsbotError):
                    await self.desk.cancel(run_id, self.person, "Ctrl-C at the terminal")
            await asyncio.sleep(POLL_S)

    async def _decide(self, run_id: str, approval_id: str, what: str) -> None:
        is_granted = True if self.wanted.grants else await asyncio.to_thread(self.terminal.ask, f"Approve? {what}")
        if is_granted is None:
            self.terminal.say("Nobody is here to ask; `--yes` approves what you may approve.")
            with suppress(OpsbotError):
                await self.desk.cancel(run_id, self.person, "nobody was at the terminal to approve")
            return
        try:
            self.terminal.say(await self.desk.decide(approval_id, is_granted=is_granted, person=self.person))
        except OpsbotError as error:
            self.terminal.say(f"Not approved: {error}")

    async def _give_back(self, view: RunView) -> None:
        run = await asyncio.to_thread(self.stores.runs.run, view.run_id)
        now = SystemClock().now()
        await asyncio.to_thread(
            self.stores.handling.resolve, run.incident_id, self.person, "the standalone run is over", now
        )
        self.executor.wake()


async def _show(stores: Repositories, clock: SystemClock, terminal: Terminal) -> None:
    """The terminal takes what Slack would have: so an announcement's countdown begins when it stands here."""
    while True:
        for item in await asyncio.to_thread(stores.outbox.due, clock.now()):
            if item.kind == "timeline_entry":
                entry = await asyncio.to_thread(stores.incidents.entry, item.ref)
                if entry is not None:
                    terminal.say(f"  {entry.text}")
            await asyncio.to_thread(
                stores.outbox.mark_delivered, item.key, item.revision, "terminal", f"{clock.now():.6f}"
            )
        await asyncio.sleep(POLL_S)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _who(settings: Settings, environ: Mapping[str, str]) -> Person:
    roles = roles_by_user(settings.people)
    for one in settings.people:
        if one.user and one.token_env and environ.get(one.token_env):
            return person_for(one.user, roles, "terminal")
    names = ", ".join(one.token_env for one in settings.people if one.token_env) or "none"
    raise ConfigError(
        "a standalone run needs to know who asks: set the personal token of somebody under `people`; "
        f"the variables are: {names}"
    )
