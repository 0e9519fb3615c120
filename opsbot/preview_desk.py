"""What would happen if somebody did it now: one look ahead for each risky verb, with the rights of doing it.

It raises what doing it would raise, so nobody is shown a plan that they may not carry out. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsbot.desk_tools import DeskTools
from opsbot.errors import ApprovalError, ConfigError, InvalidTransition
from opsbot.incident.handle import handle_of
from opsbot.people import Person
from opsbot.preview_rows import Sight, claim_of, ended_by_itself, step_ahead, steps_back
from opsbot.preview_start import halted_text, preview_start
from opsbot.preview_whole import TO_COME, preview_all, preview_resolve
from opsbot.rights import require
from opsbot.runbook import texts
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Runbook
from opsbot.runbook.preview import Ask, Preview, PreviewStep
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState, StepState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, RunCase, StepRow
from opsbot.store.approvals import mention


@dataclass(frozen=True, slots=True)
class PreviewDesk:
    """Part of `opsbot.run_desk.RunDesk`.

    Args:
        runbook: the one in force with that id; raises NotFoundError.
        check: raises what starting with such a request would.
    """

    tools: DeskTools
    sight: Sight
    runbook: Callable[[str], Runbook]
    check: Callable[[Runbook, RunRequest], None]

    async def preview(self, ask: Ask, person: Person) -> Preview:
        """The look ahead."""
        match ask.verb:
            case "approve" | "glass":
                return await self._approval(ask, person)
            case "object" | "go_now":
                return await self._announcement(ask, person)
            case "undo" | "cancel":
                return await self._back(ask, person)
            case "resolve":
                require(person, "responder", "resolve an incident")
                return await preview_resolve(self.tools, self.sight, ask.reference, person)
            case "stop_all" | "go_on":
                require(person, "commander", "stop all runs" if ask.verb == "stop_all" else "let all runs go on")
                return await preview_all(self.tools, person, is_stop=ask.verb == "stop_all")
            case "start":
                return await self._start(ask, person)

    async def _start(self, ask: Ask, person: Person) -> Preview:
        require(person, "responder", "start a run")
        if ask.request is None:
            raise ConfigError("say which runbook is to be started")
        runbook = self.runbook(ask.request.runbook_id)
        self.check(runbook, ask.request)
        return await preview_start(self.tools, self.sight, runbook, ask.request, person)

    async def _approval(self, ask: Ask, person: Person) -> Preview:
        row = await asyncio.to_thread(self.tools.stores.approvals.find, ask.reference)
        if ask.verb == "glass":
            require(person, "commander", "approve a step alone, against its rules")
        else:
            require(person, row.role, "approve this step")
        case = await self._case(row.run_id)
        self._must_be_open(row, case, person, is_glass=ask.verb == "glass")
        steps = await self._ahead(case, row.step_id)
        handle = handle_of(row.run_id)
        late = "Without a decision it is done" if row.on_timeout == "proceed" else "Without a decision nothing is done"
        return Preview(
            ask.verb,
            row.approval_id,
            self._about(case.run),
            steps,
            self._afterwards(case, row.step_id),
            f"`undo {handle}` takes it back.",
            f"{_by_itself(case, row.step_id)} {late}.".strip(),
            _who(row, is_glass=ask.verb == "glass"),
            await self._blocked(case, row.step_id),
            case.run.run_id,
            case.run.incident_id,
        )

    def _must_be_open(self, row: ApprovalRow, case: RunCase, person: Person, *, is_glass: bool) -> None:
        handle = handle_of(row.run_id)
        if row.state in ("granted", "refused"):
            by = "you have" if row.decided_by == person.user_id else f"{mention(row.decided_by)} has"
            raise ApprovalError(
                f"{by} {row.state} this already; the run {handle} is {case.run.state.value}. Nothing is left to do here"
            )
        if row.state == "expired" or (not case.run.paused_by and self.tools.clock.now() >= row.expires_at):
            raise ApprovalError(f"this approval has expired and nothing was done; `retry {handle}` asks for it anew")
        if row.excluded == person.user_id and not is_glass:
            raise ApprovalError(
                "you asked for this run, so somebody else must approve this step: ask another "
                f"{' or '.join(row.roles)}, or a commander to break the glass"
            )
        if person.user_id in row.granted_by and not is_glass:
            raise ApprovalError(f"you have granted it already; {row.count - len(row.granted_by)} more must")

    async def _announcement(self, ask: Ask, person: Person) -> Preview:
        row = await asyncio.to_thread(self.tools.stores.approvals.find_announcement, ask.reference)
        if ask.verb == "object":
            require(person, "responder", "object to an announcement")
        else:
            require(person, "commander", "cut an announcement short")
        case = await self._case(row.run_id)
        self._must_be_announced(row)
        handle = handle_of(row.run_id)
        if ask.verb == "object":
            return self._objection(row, case)
        return Preview(
            "go_now",
            row.announcement_id,
            self._about(case.run),
            await self._ahead(case, row.step_id),
            self._afterwards(case, row.step_id),
            f"`undo {handle}` takes it back.",
            _by_itself(case, row.step_id),
            "",
            await self._blocked(case, row.step_id),
            case.run.run_id,
            case.run.incident_id,
        )

    def _objection(self, row: AnnouncementRow, case: RunCase) -> Preview:
        runbook = pinned_runbook(case.run.runbook_json, case.run.revision)
        announce = runbook.step(row.step_id).announce
        goes_on = announce is not None and announce.on_objection == "skip"
        step = PreviewStep(case.row(row.step_id).name, case.row(row.step_id).uses, f"is not done: {row.message}")
        then = self._afterwards(case, row.step_id) if goes_on else ("No further step follows.",)
        undo = f"`retry {handle_of(row.run_id)}` asks for it anew once the run is over."
        return Preview(
            "object", row.announcement_id, self._about(case.run), (step,), then, undo,
            run_id=case.run.run_id, incident_id=case.run.incident_id,
        )  # fmt: skip

    def _must_be_announced(self, row: AnnouncementRow) -> None:
        handle = handle_of(row.run_id)
        if row.state != "open":
            by = f"{mention(row.decided_by)} was first" if row.decided_by else "it was over before"
            words = {"objected": "objected to", "now": "done at once", "passed": "done", "pointless": "of no use now"}
            raise ApprovalError(
                f"this announcement is {words.get(row.state, row.state)} already: {by}. `undo {handle}` takes back "
                "what the run has set"
            )
        if row.ends_at is not None and self.tools.clock.now() >= row.ends_at:
            raise ApprovalError(f"the countdown is over and it is being done; `undo {handle}` takes it back")

    async def _back(self, ask: Ask, person: Person) -> Preview:
        verb = "take back a run's changes" if ask.verb == "undo" else "cancel a run"
        require(person, "responder", verb)
        run = await asyncio.to_thread(self.tools.stores.control.find, ask.reference)
        handle = handle_of(run.run_id)
        if RunState.UNDOING not in RUN_TRANSITIONS[run.state] and run.state is not RunState.QUEUED:
            now = "being taken back already" if run.state is RunState.UNDOING else f"over ({run.state.value})"
            raise InvalidTransition(f"{handle} is {now}: nothing is left to take back. `retry {handle}` makes it anew")
        case = await self._case(run.run_id)
        steps = await steps_back(self.sight, self.sight.probes(self.tools.clock), run, case.rows)
        left_out = [row.name for row in case.rows if row.state in TO_COME and "[" not in row.step_id]
        unknown = [row.step_id for row in case.rows if row.state is StepState.UNKNOWN]
        return Preview(
            ask.verb,
            handle,
            self._about(run),
            steps or (PreviewStep("Nothing is set", "", "the run makes no further step", changes=False),),
            ("Not made any more: " + ", ".join(left_out) + ".",) if left_out else (),
            f"`retry {handle}` makes the run anew, with the same inputs.",
            "",
            "",
            tuple(f"First say whether it happened: `settle {handle} {one} happened` or `… not`." for one in unknown),
            run.run_id,
            run.incident_id,
        )

    # -- helpers

    async def _case(self, run_id: str) -> RunCase:
        return await asyncio.to_thread(self.tools.stores.runs.case, run_id)

    def _about(self, run: Run) -> str:
        name = pinned_runbook(run.runbook_json, run.revision).name
        drill = "DRILL: " if run.is_drill else ""
        return f"{drill}“{name}” ({handle_of(run.run_id)}) for {run.incident_id}"

    async def _ahead(self, case: RunCase, step_id: str) -> tuple[PreviewStep, ...]:
        step = pinned_runbook(case.run.runbook_json, case.run.revision).step(step_id)
        probes = self.sight.probes(self.tools.clock)
        rows = _acting(case, step_id)
        return tuple(await asyncio.gather(*(step_ahead(self.sight, probes, row, step) for row in rows)))

    def _afterwards(self, case: RunCase, step_id: str) -> tuple[str, ...]:
        runbook = pinned_runbook(case.run.runbook_json, case.run.revision)
        step, said = runbook.step(step_id), []
        if step.verify is not None:
            said.append(f"It is verified: {step.verify.means or step.verify.expr}.")
        later = [row.name for row in case.rows if row.state is StepState.PENDING and "[" not in row.step_id]
        if later:
            said.append("Then: " + ", ".join(later) + ".")
        return tuple(said)

    async def _blocked(self, case: RunCase, step_id: str) -> tuple[str, ...]:
        step = pinned_runbook(case.run.runbook_json, case.run.revision).step(step_id)
        rows = _acting(case, step_id)
        claim = claim_of(case.run, rows, step, self.sight, len(self.tools.clusters))
        blockers = await asyncio.to_thread(self.tools.stores.knobs.blockers, claim, self.tools.clock.now())
        found = [f"{one.text}; it waits until that is over, at most 5 minutes." for one in blockers]
        if case.halt is not None:
            found.insert(0, halted_text(case.halt.created_by, case.halt.reason))
        if case.run.paused_by:
            found.insert(0, f"{mention(case.run.paused_by)} has paused the run: it begins nothing until `resume`.")
        return tuple(found)


def _acting(case: RunCase, step_id: str) -> Sequence[StepRow]:
    """The rows that act: the step's own, or those of its items."""
    own = case.row(step_id)
    items = [row for row in case.rows if row.step_id.startswith(f"{step_id}[")]
    return items or [own]


def _by_itself(case: RunCase, step_id: str) -> str:
    runbook = pinned_runbook(case.run.runbook_json, case.run.revision)
    return ended_by_itself(runbook, _acting(case, step_id))


def _who(row: ApprovalRow, *, is_glass: bool) -> str:
    roles = " or ".join(texts.ROLE_NAMES.get(role, role) for role in row.roles)  # type: ignore[call-overload]
    if is_glass:
        needed = f"{row.count} of {roles}" if row.count > 1 else roles
        return f"you alone, instead of {needed}: the channel is told, somebody is paged, and it is reviewed"
    if row.count == 1:
        return roles
    given = f"; {len(row.granted_by)} of {row.count} have" if row.granted_by else ""
    return f"{row.count} of {roles}{given}"
