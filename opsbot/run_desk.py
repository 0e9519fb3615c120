"""What people can do with runs, whatever door they use: the one place where those rights are checked.

Implements `opsbot.runbook.commands.RunCommands`. Whatever is decided stands in the store before the run is woken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from opsbot.clock import Clock, to_minute
from opsbot.errors import ConfigError, InvalidTransition, NotFoundError
from opsbot.incident.handle import handle_of
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.commands import RunAnswer, RunRequest
from opsbot.runbook.given import checked_inputs
from opsbot.runbook.model import Runbook
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import AnnouncementRow, Halt, KnobHold
from opsbot.store.approvals import mention
from opsbot.store.control import Asked
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun
from opsbot.yamlfile import format_duration, suggest

MAX_REASON = 500
MAX_HOLD_S = 24 * 3600.0
"""Longest hold of a knob: one that is forgotten ends by itself."""
_REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class Runs(Protocol):
    """What the desk needs of the executor."""

    def wake(self) -> None:
        """Look for queued runs now."""
        ...

    async def wake_run(self, run_id: str) -> None:
        """Let a run look at the store now; harmless when repeated."""
        ...

    async def request_undo(self, run_id: str, person: Person) -> None:
        """Ask a run to take back what it holds; raises InvalidTransition, NotFoundError."""
        ...

    async def cancel(self, run_id: str, person: Person, reason: str) -> None:
        """Ask a run to make no further step and take back what it holds; raises InvalidTransition, NotFoundError."""
        ...


class RunDesk:
    """People come here about runs.

    Args:
        runbooks: those in force.
        clusters: every cluster that opsbot.yaml names; empty if that is not known.
    """

    def __init__(
        self,
        repositories: Repositories,
        executor: Runs,
        runbooks: Callable[[], Sequence[Runbook]],
        wake_outbox: Callable[[], None],
        clock: Clock,
        clusters: Sequence[str] = (),
    ) -> None:
        self._control = repositories.control
        self._runs = repositories.runs
        self._approvals = repositories.approvals
        self._knobs = repositories.knobs
        self._views = repositories.views
        self._is_paging = repositories.incidents.is_paging
        self._executor = executor
        self._runbooks = runbooks
        self._wake_outbox = wake_outbox
        self._clock = clock
        self._clusters = tuple(clusters)

    # -- runs

    async def start(self, request: RunRequest, person: Person) -> RunAnswer:
        """Start a runbook by hand; with the same request id, once."""
        require(person, "responder", "start a run")
        if not _REQUEST_ID.match(request.request_id):
            raise ConfigError("a request id is 1 to 64 letters, digits, - and _")
        runbook = self._runbook(request.runbook_id)
        if self._clusters and request.cluster and request.cluster not in self._clusters:
            known = ", ".join(self._clusters)
            near = suggest(request.cluster, self._clusters)
            raise NotFoundError(f"there is no cluster {request.cluster!r}{near}; opsbot.yaml has {known}")
        labels = {"cluster": request.cluster} if request.cluster else {}
        pinned = RunbookToRun(runbook.runbook_id, runbook.name, runbook.revision, runbook.source_json)
        inputs = checked_inputs(runbook, request.inputs)
        asked = Asked(pinned, labels, inputs, request.request_id, request.incident_id)
        done = await asyncio.to_thread(self._control.start, asked, person, self._clock.now())
        self._tell()
        handle = handle_of(done.run.run_id)
        message = f"{handle} runs “{runbook.name}” for {done.run.incident_id}; `cancel {handle}` takes it back."
        if not done.is_new:
            message = f"{handle} was started by this request already; it is {done.run.state.value}."
        return RunAnswer(message, await self.run(done.run.run_id))

    async def again(self, run_id: str, person: Person, from_step: str | None = None) -> RunAnswer:
        """Repeat a run; the same again is the same attempt."""
        require(person, "responder", "repeat a run")
        done = await asyncio.to_thread(self._control.again, run_id, person, from_step, self._clock.now())
        self._tell()
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
        await self._executor.request_undo(run.run_id, person)
        self._tell()
        more = await self._unknown(run)
        return f"Taking it back now; the thread will say when it is done.{more or _repeat(run)}"

    async def cancel(self, run_id: str, person: Person, reason: str) -> str:
        """Make no further step, and take back what was set."""
        require(person, "responder", "cancel a run")
        reason = _reason(reason, "why the run is cancelled")
        run = await self._find(run_id)
        if run.state in (RunState.CANCELLED, RunState.UNDONE):
            return f"{handle_of(run.run_id)} is {run.state.value} already.{_repeat(run)}"
        await self._executor.cancel(run.run_id, person, reason)
        self._tell()
        handle = handle_of(run.run_id)
        more = await self._unknown(run)
        return f"{handle} makes no further step; what it has set is taken back.{more or _repeat(run)}"

    async def pause(self, run_id: str, person: Person, reason: str) -> str:
        """Begin nothing until it is resumed."""
        require(person, "responder", "pause a run")
        reason = _reason(reason, "why the run is paused")
        done = await asyncio.to_thread(self._control.pause, run_id, person, reason, self._clock.now())
        self._tell()
        handle = handle_of(done.run.run_id)
        if not done.is_new:
            return f"{handle} was paused already by {mention(done.run.paused_by)}; `resume {handle}` lets it go on."
        return f"{handle} begins nothing more; what it holds stays. `resume {handle}` lets it go on."

    async def resume(self, run_id: str, person: Person) -> str:
        """Go on with a paused run."""
        require(person, "responder", "resume a run")
        done = await asyncio.to_thread(self._control.resume, run_id, person, self._clock.now())
        await self._wake(done.run)
        handle = handle_of(done.run.run_id)
        if not done.is_new:
            return f"{handle} is not paused; it is {done.run.state.value}."
        return f"{handle} goes on; `pause {handle}` stops it again."

    async def skip(self, run_id: str, step_id: str, person: Person, reason: str) -> str:
        """Leave a step out that has not acted."""
        require(person, "responder", "leave a step out")
        reason = _reason(reason, f"why {step_id} is left out")
        done = await asyncio.to_thread(self._control.skip, run_id, step_id, person, reason, self._clock.now())
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
        done = await asyncio.to_thread(self._control.settle, run_id, step_id, has_happened, person, self._clock.now())
        await self._wake(done.run)
        handle = handle_of(done.run.run_id)
        if has_happened:
            return f"{handle} goes on: {step_id} happened. `undo {handle}` takes back what it has set."
        return f"{handle} makes {step_id} once more, since it did not happen. `cancel {handle}` stops that."

    # -- what runs ask

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        """Grant or refuse an approval."""
        approval = await asyncio.to_thread(self._approvals.find, approval_id)
        verb = "granted" if is_granted else "refused"
        require(person, approval.role, f"{'approve' if is_granted else 'refuse'} this step")
        now = self._clock.now()
        note = TimelineEntry(
            f"{approval.approval_id}:{verb}:{person.user_id}", approval.incident_id, now, person.user_id,
            f"approval.{verb}", f"{verb.capitalize()}: {approval.will_do}", via=person.via,
        )  # fmt: skip
        decided = await asyncio.to_thread(
            self._approvals.decide, approval.approval_id, is_granted=is_granted, person=person, now=now, entry=note
        )
        await self._wake_run(decided.run_id)
        if not is_granted:
            return "You have refused it; nothing was changed."
        if decided.state == "open":
            given = len(decided.granted_by)
            return f"You have granted it; {decided.count - given} more must, of {approval.count}."
        return f"You have granted it: {approval.will_do}. Taken back: {approval.undo}."

    async def break_glass(self, approval_id: str, person: Person, reason: str) -> str:
        """Approve alone, whatever the approval asks for; everybody hears it, and it is reviewed."""
        require(person, "commander", "approve a step alone, against its rules")
        reason = _reason(reason, "why the rules of this approval are broken")
        approval = await asyncio.to_thread(self._approvals.find, approval_id)
        now = self._clock.now()
        key = f"{approval.approval_id}:glass"
        said = TimelineEntry(
            key, approval.incident_id, now, person.user_id, "approval.glass_broken",
            f"Broke the glass, approving alone: {approval.will_do}. Why: {reason}", True, person.via,
        )  # fmt: skip
        needed = f"{approval.count} of {' or '.join(approval.roles)}"
        review = TimelineEntry(
            f"{key}:review", approval.incident_id, now, "opsbot", "review.opened",
            f"To be reviewed: {person.user_id} approved alone what {needed} should have ({approval.approval_id}). "
            f"Reason given: {reason}",
        )  # fmt: skip
        decided = await asyncio.to_thread(
            self._approvals.decide, approval.approval_id, is_granted=True, person=person, now=now, entry=said,
            glass_reason=reason, more=(review,), is_paged=self._is_paging,
        )  # fmt: skip
        await self._wake_run(decided.run_id)
        handle = handle_of(decided.run_id)
        return f"You have approved it alone, and everybody is told: {approval.will_do}. `undo {handle}` takes it back."

    async def object(self, announcement_id: str, person: Person, reason: str = "") -> str:
        """Object to what is announced."""
        require(person, "responder", "object to an announcement")
        row = await asyncio.to_thread(self._approvals.find_announcement, announcement_id)
        text = f"Objected: {reason.strip()[:MAX_REASON]}" if reason.strip() else "Objected"
        note = self._about(row, "objected", f"{text}. It is not done: {row.message}", person, is_broadcast=True)
        await asyncio.to_thread(
            self._approvals.answer_announcement, row.announcement_id, "objected", person,
            reason.strip()[:MAX_REASON] or None, self._clock.now(), note,
        )  # fmt: skip
        await self._wake_run(row.run_id)
        handle = handle_of(row.run_id)
        return f"It is not done. `retry {handle}` asks for it anew once the run is over."

    async def go_now(self, announcement_id: str, person: Person) -> str:
        """End an announcement's countdown at once."""
        require(person, "commander", "cut an announcement short")
        row = await asyncio.to_thread(self._approvals.find_announcement, announcement_id)
        note = self._about(row, "now", f"Said that it is done now: {row.message}", person, is_broadcast=True)
        await asyncio.to_thread(
            self._approvals.answer_announcement, row.announcement_id, "now", person, None, self._clock.now(), note
        )
        await self._wake_run(row.run_id)
        return f"It is done now, without the rest of the countdown; `undo {handle_of(row.run_id)}` takes it back."

    async def offer_capacity(self, announcement_id: str, person: Person) -> str:
        """Offer capacity; the first offer doubles what is left of the countdown."""
        require(person, "responder", "offer capacity")
        row = await asyncio.to_thread(self._approvals.find_announcement, announcement_id)
        note = self._about(row, "capacity", f"Offered capacity, before this is done: {row.message}", person)
        now = self._clock.now()
        after = await asyncio.to_thread(self._approvals.offer_capacity, row.announcement_id, person, now, note)
        await self._wake_run(row.run_id)
        time = "" if after.ends_at is None else f", and there is time until {to_minute(after.ends_at, now)}"
        return f"Your offer is on the timeline{time}. If it is enough, object: then it is not done."

    # -- all runs, and knobs

    async def stop_all(self, person: Person, reason: str) -> str:
        """Let no run change anything by itself."""
        require(person, "commander", "stop all runs")
        reason = _reason(reason, "why all runs are stopped")
        now = self._clock.now()
        halt = await asyncio.to_thread(self._knobs.stop_all, reason, person, now)
        self._tell()
        if (halt.created_by, halt.created_at) != (person.user_id, now):
            return f"{mention(halt.created_by)} has stopped all runs already: {halt.reason}. `go-on` lifts it."
        return "No run changes anything by itself from now on, and nothing is given back; `go-on` lifts it."

    async def go_on(self, person: Person) -> str:
        """Lift the global stop."""
        require(person, "commander", "let all runs go on")
        lifted = await asyncio.to_thread(self._knobs.go_on, person, self._clock.now())
        self._tell()
        for run in await asyncio.to_thread(self._runs.unfinished):
            if run.state is not RunState.QUEUED:
                await self._executor.wake_run(run.run_id)
        if lifted is None:
            return "Runs are not stopped."
        return "Runs go on; `stop-all` stops them again."

    async def hold(self, pattern: str, length_s: float, person: Person, reason: str) -> str:
        """Let no run turn the knobs of *pattern* for a time."""
        require(person, "responder", "hold a knob")
        reason = _reason(reason, f"why {pattern} is held")
        if not 0 < length_s <= MAX_HOLD_S:
            raise ConfigError(f"a hold lasts at most {format_duration(MAX_HOLD_S)}; it can be set again before it ends")
        cluster = pattern.partition("/")[0]
        if self._clusters and "*" not in cluster and cluster not in (*self._clusters, "lock"):
            near = suggest(cluster, self._clusters)
            raise NotFoundError(f"there is no cluster {cluster!r}{near}; opsbot.yaml has {', '.join(self._clusters)}")
        now = self._clock.now()
        held = await asyncio.to_thread(self._knobs.hold, pattern, reason, person, now, now + length_s)
        self._tell()
        until = to_minute(held.ends_at, now)
        return f"No run turns {pattern} until {until}; what is set there stays. `unhold {held.number}` lifts it."

    async def let_go(self, number: int, person: Person) -> str:
        """Lift a hold."""
        require(person, "responder", "lift a hold")
        held = await asyncio.to_thread(self._knobs.let_go, number, person, self._clock.now())
        self._tell()
        return f"Runs may turn {held.pattern} again; `hold {held.pattern}` holds it once more."

    # -- to read

    async def runs(self, *, include_finished: bool = False) -> tuple[RunView, ...]:
        """Runs, newest first."""
        return await asyncio.to_thread(self._views.runs, include_finished=include_finished)

    async def run(self, run_id: str) -> RunView:
        """One run."""
        return await asyncio.to_thread(self._views.run, run_id)

    async def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        return await asyncio.to_thread(self._knobs.halt)

    async def holds(self) -> tuple[KnobHold, ...]:
        """Holds in force, oldest first."""
        return await asyncio.to_thread(self._knobs.holds, self._clock.now())

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

    async def _find(self, run_id: str) -> Run:
        return await asyncio.to_thread(self._control.find, run_id)

    async def _unknown(self, run: Run) -> str:
        """What must be said before anything can be taken back; empty if nothing must."""
        rows = await asyncio.to_thread(self._control.steps, run.run_id)
        unknown = next((row.step_id for row in rows if row.state is StepState.UNKNOWN), None)
        if unknown is None:
            return ""
        return f" First say whether {unknown} happened: `settle {handle_of(run.run_id)} {unknown} happened` or `… not`."

    def _about(
        self, row: AnnouncementRow, fact: str, text: str, person: Person, *, is_broadcast: bool = False
    ) -> TimelineEntry:
        key = f"{row.announcement_id}:{fact}:{person.user_id}"
        kind = f"announcement.{fact}"
        return TimelineEntry(
            key, row.incident_id, self._clock.now(), person.user_id, kind, text, is_broadcast, person.via
        )

    def _tell(self) -> None:
        self._executor.wake()
        self._wake_outbox()

    async def _wake(self, run: Run) -> None:
        if RUN_TRANSITIONS[run.state] and run.state is not RunState.QUEUED:
            await self._executor.wake_run(run.run_id)
        self._tell()

    async def _wake_run(self, run_id: str) -> None:
        await self._executor.wake_run(run_id)
        self._wake_outbox()


def _repeat(run: Run) -> str:
    return f" `retry {handle_of(run.run_id)}` makes it anew."


def _reason(text: str, what: str) -> str:
    """The reason as it is kept; raises ConfigError if there is none."""
    reason = text.strip()
    if not reason:
        raise ConfigError(f"say {what}: the next reader was not there")
    return reason[:MAX_REASON]
