"""What people do with runs, in memory: keeps what was called by whom, and answers as the real desk does in form."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from opsbot.errors import ApprovalError, NotFoundError
from opsbot.incident.view import IncidentView, RunView
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.commands import RunAnswer, RunRequest
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.preview import Ask, Preview, PreviewStep
from opsbot.runbook.store import Halt, KnobHold


class RecordedRuns:
    """Implements opsbot.runbook.commands.RunCommands over fixed views."""

    views: list[IncidentView]
    calls: list[tuple[str, str, str]]
    error: Exception | None
    requests: list[RunRequest]
    halted: Halt | None = None
    held: tuple[KnobHold, ...] = ()

    previews: dict[str, Preview]
    preview_error: Exception | None = None
    look_takes_s: float = 0.0
    able: tuple[str, ...] = ()

    async def preview(self, ask: Ask, person: Person) -> Preview:
        if self.look_takes_s:
            await asyncio.sleep(self.look_takes_s)
        if self.preview_error is not None:
            raise self.preview_error
        if ask.verb in ("glass", "go_now", "stop_all", "go_on"):
            require(person, "commander", f"{ask.verb.replace('_', ' ')}")
        else:
            require(person, "responder", f"{ask.verb} this")
        known = self.previews.get(ask.verb)
        if known is not None:
            return known
        run_id = next((run.run_id for run in self._all()), "")
        step = PreviewStep("Resize the batch", "serving.set_batch", "resize the batch of local from 32 to 8")
        turned = replace(step, turns=(KnobTurn("local/batch_limit", "32", "8"),), arguments=("limit=8",))
        return Preview(
            ask.verb, ask.reference, "“Relieve KV cache pressure” for INC-1", (turned,), undo="`undo` takes it back.",
            by_itself="By itself it ends with the incident.", who="responders", run_id=run_id, incident_id="INC-1",
        )  # fmt: skip

    def who_may(self, roles: Sequence[str]) -> tuple[str, ...]:
        return self.able

    async def start(self, request: RunRequest, person: Person) -> RunAnswer:
        self.requests.append(request)
        self.record("start", request.runbook_id, person)
        return RunAnswer(f"r-000001 runs {request.runbook_id}.", self._all()[0])

    async def again(self, run_id: str, person: Person, from_step: str | None = None) -> RunAnswer:
        self.record("again", f"{run_id} {from_step or ''}".strip(), person)
        return RunAnswer(f"{run_id} is repeated.", self._all()[0])

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        self.record("grant" if is_granted else "refuse", approval_id, person)
        if not person.has("responder"):
            raise ApprovalError(f"{approval_id} needs a responder")
        return f"Approval {approval_id} is recorded."

    async def break_glass(self, approval_id: str, person: Person, reason: str) -> str:
        self.record("glass", f"{approval_id} {reason}", person)
        return f"You approved {approval_id} alone."

    async def undo(self, run_id: str, person: Person) -> str:
        self.record("undo", run_id, person)
        return f"Taking back {run_id}."

    async def cancel(self, run_id: str, person: Person, reason: str) -> str:
        self.record("cancel", f"{run_id} {reason}", person)
        return f"{run_id} is cancelled."

    async def pause(self, run_id: str, person: Person, reason: str) -> str:
        self.record("pause", f"{run_id} {reason}", person)
        return f"{run_id} is paused."

    async def resume(self, run_id: str, person: Person) -> str:
        self.record("resume", run_id, person)
        return f"{run_id} goes on."

    async def skip(self, run_id: str, step_id: str, person: Person, reason: str) -> str:
        self.record("skip", f"{run_id} {step_id} {reason}", person)
        return f"{step_id} is left out."

    async def settle(self, run_id: str, step_id: str, has_happened: bool, person: Person) -> str:
        self.record("happened" if has_happened else "not happened", f"{run_id} {step_id}", person)
        return f"{step_id} is settled."

    async def object(self, announcement_id: str, person: Person, reason: str = "") -> str:
        self.record("object", f"{announcement_id} {reason}".strip(), person)
        return "It is not done."

    async def go_now(self, announcement_id: str, person: Person) -> str:
        self.record("go now", announcement_id, person)
        return "It is done now."

    async def offer_capacity(self, announcement_id: str, person: Person) -> str:
        self.record("offer", announcement_id, person)
        return "Your offer is kept."

    async def stop_all(self, person: Person, reason: str) -> str:
        self.record("stop all", reason, person)
        return "All runs are stopped."

    async def go_on(self, person: Person) -> str:
        self.record("go on", "", person)
        return "Runs go on."

    async def hold(self, pattern: str, length_s: float, person: Person, reason: str) -> str:
        self.record("hold", f"{pattern} {length_s:g} {reason}", person)
        return f"{pattern} is held."

    async def let_go(self, number: int, person: Person) -> str:
        self.record("let go", str(number), person)
        return "It is lifted."

    async def runs(self, *, include_finished: bool = False) -> tuple[RunView, ...]:
        return tuple(self._all())

    async def run(self, run_id: str) -> RunView:
        found = [run for run in self._all() if run_id in (run.run_id, run.handle) or run_id.startswith(run.handle)]
        if not found:
            raise NotFoundError(f"there is no run {run_id}")
        return found[0]

    async def halt(self) -> Halt | None:
        return self.halted

    async def holds(self) -> tuple[KnobHold, ...]:
        return self.held

    def _all(self) -> Sequence[RunView]:
        return [run for view in self.views for run in view.runs]

    def record(self, verb: str, reference: str, person: Person) -> None:
        """Keep the call, or raise what the test wants raised."""
        self.calls.append((verb, reference, person.user_id))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
