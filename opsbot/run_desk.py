"""What people can do with runs, whatever door they use: the one place where those rights are checked.

Implements `opsbot.runbook.commands.RunCommands`. Whatever is decided stands in the store before the run is woken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from opsbot.clock import Clock
from opsbot.consent_desk import ConsentDesk
from opsbot.desk_tools import DeskTools, Runs, reason_of
from opsbot.errors import ConfigError, InvalidTransition, NotFoundError
from opsbot.halt_desk import HaltDesk
from opsbot.incident.handle import handle_of
from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.preview_desk import PreviewDesk
from opsbot.preview_rows import Sight
from opsbot.rights import require
from opsbot.runbook.commands import RunAnswer, RunRequest
from opsbot.runbook.given import checked_inputs
from opsbot.runbook.model import Runbook
from opsbot.runbook.preview import Ask, Preview
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.store.approvals import mention
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun
from opsbot.store.run_starts import Asked
from opsbot.yamlfile import suggest

_REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class RunDesk(ConsentDesk, HaltDesk):
    """People come here about runs.

    Args:
        runbooks: those in force.
        clusters: every cluster that opsbot.yaml names; empty if that is not known.
        sight: whom looks ahead ask; without it no value of now can be told.
    """

    def __init__(
        self,
        repositories: Repositories,
        executor: Runs,
        runbooks: Callable[[], Sequence[Runbook]],
        wake_outbox: Callable[[], None],
        clock: Clock,
        clusters: Sequence[str] = (),
        sight: Sight | None = None,
    ) -> None:
        super().__init__(DeskTools(repositories, executor, wake_outbox, clock, tuple(clusters)))
        self._runbooks = runbooks
        self._sight = sight or Sight()
        self._previews = PreviewDesk(self._tools, self._sight, self._runbook, self._check_target)

    async def preview(self, ask: Ask, person: Person) -> Preview:
        """What would happen if *person* did it now; changes nothing."""
        return await self._previews.preview(ask, person)

    def who_may(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Whoever has one of *roles*, by user id."""
        everybody = self._sight.roles().items()
        return tuple(sorted(user for user, has in everybody if any(Person(user, has).has(one) for one in roles)))  # type: ignore[arg-type]

    async def start(self, request: RunRequest, person: Person) -> RunAnswer:
        """Start a runbook by hand; with the same request id, once."""
        require(person, "responder", "start a run")
        if not _REQUEST_ID.match(request.request_id):
            raise ConfigError("a request id is 1 to 64 letters, digits, - and _")
        runbook = self._runbook(request.runbook_id)
        self._check_target(runbook, request)
        labels = {"cluster": request.cluster} if request.cluster else {}
        pinned = RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)
        inputs = checked_inputs(runbook, request.inputs)
        asked = Asked(pinned, labels, inputs, request.request_id, request.incident_id)
        done = await asyncio.to_thread(self._tools.stores.starts.start, asked, person, self._tools.clock.now())
        self._tools.tell()
        handle = handle_of(done.run.run_id)
        message = f"{handle} runs “{runbook.name}” for {done.run.incident_id}; `cancel {handle}` takes it back."
        if not done.is_new:
            message = f"{handle} was started by this request already; it is {done.run.state.value}."
        return RunAnswer(message, await self.run(done.run.run_id))

    async def again(self, run_id: str, person: Person, from_step: str | None = None) -> RunAnswer:
        """Repeat a run; the same again is the same attempt."""
        require(person, "responder", "repeat a run")
        done = await asyncio.to_thread(
            self._tools.stores.starts.again, run_id, person, from_step, self._tools.clock.now()
        )
        self._tools.tell()
        handle, where = handle_of(done.run.run_id), f" from the step {from_step} on" if from_step else ""
        message = f"{handle} repeats it{where}; `cancel {handle}` takes it back."
        if not done.is_new:
            message = (
                f"It was repeated already by {handle}, which is {done.run.state.value}; repeat that one if need be."
            )
        return RunAnswer(message, await self.run(done.run.run_id))

    async def undo(self, run_id: str, person: Person) -> str:
        """Take back what a run has changed and still holds."""
        require(person, "responder", "take back a run's changes")
        run = await self._find(run_id)
        if run.state is RunState.UNDONE:
            return f"{handle_of(run.run_id)} is taken back already.{_repeat(run)}"
        await self._tools.executor.request_undo(run.run_id, person)
        self._tools.tell()
        more = await self._unknown(run)
        return f"Taking it back now; the thread will say when it is done.{more or _repeat(run)}"

    async def cancel(self, run_id: str, person: Person, reason: str) -> str:
        """Make no further step, and take back what was set."""
        require(person, "responder", "cancel a run")
        reason = reason_of(reason, "why the run is cancelled")
        run = await self._find(run_id)
        if run.state in (RunState.CANCELLED, RunState.UNDONE):
            return f"{handle_of(run.run_id)} is {run.state.value} already.{_repeat(run)}"
        await self._tools.executor.cancel(run.run_id, person, reason)
        self._tools.tell()
        handle = handle_of(run.run_id)
        more = await self._unknown(run)
        return f"{handle} makes no further step; what it has set is taken back.{more or _repeat(run)}"

    async def pause(self, run_id: str, person: Person, reason: str) -> str:
        """Begin nothing until it is resumed."""
        require(person, "responder", "pause a run")
        reason = reason_of(reason, "why the run is paused")
        done = await asyncio.to_thread(
            self._tools.stores.control.pause, run_id, person, reason, self._tools.clock.now()
        )
        self._tools.tell()
        handle = handle_of(done.run.run_id)
        if not done.is_new:
            return f"{handle} was paused already by {mention(done.run.paused_by)}; `resume {handle}` lets it go on."
        return f"{handle} begins nothing more; what it holds stays. `resume {handle}` lets it go on."

    async def resume(self, run_id: str, person: Person) -> str:
        """Go on with a paused run."""
        require(person, "responder", "resume a run")
        done = await asyncio.to_thread(self._tools.stores.control.resume, run_id, person, self._tools.clock.now())
        await self._wake(done.run)
        handle = handle_of(done.run.run_id)
        if not done.is_new:
            return f"{handle} is not paused; it is {done.run.state.value}."
        return f"{handle} goes on; `pause {handle}` stops it again."

    async def skip(self, run_id: str, step_id: str, person: Person, reason: str) -> str:
        """Leave a step out that has not acted."""
        require(person, "responder", "leave a step out")
        reason = reason_of(reason, f"why {step_id} is left out")
        done = await asyncio.to_thread(
            self._tools.stores.control.skip, run_id, step_id, person, reason, self._tools.clock.now()
        )
        await self._wake(done.run)
        handle = handle_of(done.run.run_id)
        already = "" if done.is_new else " already"
        return (
            f"The step {step_id} of {handle} is left out{already}. That cannot be taken back in this run; "
            f"`retry {handle} --from {step_id}` makes it once the run is over."
        )

    async def settle(self, run_id: str, step_id: str, has_happened: bool, person: Person) -> str:
        """Say whether an act happened whose outcome is unknown."""
        require(person, "responder", "say what came of a step")
        done = await asyncio.to_thread(
            self._tools.stores.control.settle, run_id, step_id, has_happened, person, self._tools.clock.now()
        )
        await self._wake(done.run)
        handle = handle_of(done.run.run_id)
        if has_happened:
            return f"{handle} goes on: {step_id} happened. `undo {handle}` takes back what it has set."
        return f"{handle} makes {step_id} once more, since it did not happen. `cancel {handle}` stops that."

    # -- to read

    async def runs(self, *, include_finished: bool = False) -> tuple[RunView, ...]:
        """Runs, newest first."""
        return await asyncio.to_thread(self._tools.stores.views.runs, include_finished=include_finished)

    async def run(self, run_id: str) -> RunView:
        """One run."""
        return await asyncio.to_thread(self._tools.stores.views.run, run_id)

    # -- helpers

    def _runbook(self, runbook_id: str) -> Runbook:
        known = {runbook.runbook_id: runbook for runbook in self._runbooks()}
        found = known.get(runbook_id)
        if found is None:
            names = ", ".join(sorted(known)) or "none"
            raise NotFoundError(f"there is no runbook {runbook_id!r}{suggest(runbook_id, known)}; in force are {names}")
        if not found.is_enabled:
            raise InvalidTransition(
                f"{runbook_id} says `enabled: false` and is never started; its owner is {found.owner}"
            )
        return found

    def _check_target(self, runbook: Runbook, request: RunRequest) -> None:
        if request.cluster:
            self._tools.check_cluster(request.cluster)
        elif request.incident_id is None and "alert.labels.cluster" in runbook.source_json:
            known = ", ".join(self._tools.clusters) or "none is in opsbot.yaml"
            raise ConfigError(f"{runbook.runbook_id} is about one cluster: say which (`--cluster`); there are: {known}")

    async def _find(self, run_id: str) -> Run:
        return await asyncio.to_thread(self._tools.stores.control.find, run_id)

    async def _unknown(self, run: Run) -> str:
        """What must be said before anything can be taken back; empty if nothing must."""
        rows = await asyncio.to_thread(self._tools.stores.control.steps, run.run_id)
        unknown = next((row.step_id for row in rows if row.state is StepState.UNKNOWN), None)
        if unknown is None:
            return ""
        return f" First say whether {unknown} happened: `settle {handle_of(run.run_id)} {unknown} happened` or `… not`."

    async def _wake(self, run: Run) -> None:
        if RUN_TRANSITIONS[run.state] and run.state is not RunState.QUEUED:
            await self._tools.executor.wake_run(run.run_id)
        self._tools.tell()


def _repeat(run: Run) -> str:
    return f" `retry {handle_of(run.run_id)}` makes it anew."
