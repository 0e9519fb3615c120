"""What a step is about to do: its condition, its items, its arguments, the values before, and who must consent.

Nothing is changed here. What was prepared is stored with the request for consent, so a decision is about exactly that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsbot.errors import ActionError, OpsbotError
from opsbot.expression import compile_value, render_value
from opsbot.runbook import texts
from opsbot.runbook.acting import Acting
from opsbot.runbook.action import Action, Description
from opsbot.runbook.case import Case, Cases, announcement_id, approval_id
from opsbot.runbook.model import Approval, Runbook, Step
from opsbot.runbook.plan import is_wanted, items, plan_step
from opsbot.runbook.result import Next, StepResult
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import AnnouncementRow, ApprovalRow, Change, StepRow
from opsbot.yamlfile import format_duration

SUGGESTED_TIMEOUT_S = 600.0
"""How long a `suggest` run waits for the approval of a step that asks for none itself."""
MAX_ASKED = 3
"""How often a step is asked about anew because the value before has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A step that may act at once, with the rows of its items; nothing of it is stored yet."""

    row: StepRow
    items: tuple[StepRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Preparing:
    """Prepares steps."""

    cases: Cases
    acting: Acting

    async def prepare(self, case: Case) -> StepResult | Prepared | None:
        """What follows; None when it was asked or announced, and is to be looked at again."""
        try:
            if not is_wanted(case.step, case.names, case.known):
                return await self._skip(case, f"{case.step.condition} is false")
            action = case.action()
            if action.is_for_drills and not case.run.is_drill:
                raise ActionError(f"{action.name} is for drills; this run is none")
            rows = self._rendered(case, action)
            if case.step.foreach is not None and not rows:
                return await self._skip(case, f"{case.step.foreach} is empty")
            if not action.is_read_only:
                rows = [replace(row, prior=await self._prior(case, action, row)) for row in rows]
        except OpsbotError as error:
            return await self.fail(case, str(error))
        row, children = self._parent(case, rows)
        if action.is_read_only:
            return Prepared(row, children)
        described = [self._described(case, action, one) for one in rows]
        description = texts.together(described, [one.item for one in rows], case.step)
        if case.runbook.mode == "observe":
            would = f"Would {description.will_do} (this runbook only observes)"
            return await self._skip(case, would, is_said=True)
        approval = needed_approval(case.runbook, case.step, action)
        if approval is not None and case.run.state is RunState.FINISHING:
            why = f"Not done: {description.will_do} (this runbook asks before every change, and at its end nobody)"
            return await self._skip(case, why, is_said=True)
        if approval is not None:
            await self._ask(case, row, children, description, approval, action)
            return None
        if case.step.announce is not None:
            return await self.announce(case, row, children)
        return Prepared(row, children)

    async def announce(self, case: Case, row: StepRow, children: Sequence[StepRow] = ()) -> StepResult | None:
        """Say what is about to happen; the countdown begins when somebody can read it. Answers what follows."""
        announce = case.step.announce
        assert announce is not None
        now = self.cases.clock.now()
        compiled, mistakes = compile_value(announce.message, case.names)
        try:
            message = str(render_value(compiled, case.known)) if not mistakes else announce.message
        except OpsbotError as error:
            return await self.fail(case, f"the announcement cannot be written: {error}")
        row = replace(row, state=StepState.ANNOUNCING, detail=message)
        said = texts.entry(
            case.run, "announced", "step.announced", texts.announced(message, announce, case.step), now,
            step_id=row.step_id, is_broadcast=True,
        )  # fmt: skip
        asked = AnnouncementRow(
            announcement_id(case.run.run_id, case.step.step_id),
            case.run.run_id,
            case.step.step_id,
            case.run.incident_id,
            message,
            announce.for_s,
            announce.calls_for_capacity,
            now,
        )
        await self.cases.commit(
            Change(
                case.run.run_id,
                now,
                (row, *children),
                state=RunState.WAITING,
                detail=f"announced: {case.step.name}",
                entries=(said,),
                announcement=asked,
                frees_locks=True,
            )
        )
        return None

    async def late(self, case: Case) -> StepResult:
        """The run's time is over: make no further step, keep what was set, and call a person."""
        now = self.cases.clock.now()
        why = limit_text(case.runbook)
        text = f"{case.step.name} is not begun: {why}. What was set is kept; a person must look."
        said = texts.entry(case.run, "late", "step.late", text, now, step_id=case.step.step_id, is_broadcast=True)
        has_acted = any(item.idempotency_key is not None for item in case.items)
        state = StepState.FAILED if has_acted else StepState.SKIPPED
        return await self.cases.end(case, state, Next.LATE, why, entry=said, is_paged=True)

    async def fail(self, case: Case, why: str, *, is_final: bool = False) -> StepResult:
        """End the step as broken, having changed nothing."""
        now = self.cases.clock.now()
        text = f"{case.step.name} failed: {why}"
        said = texts.entry(case.run, "failed", "step.failed", text, now, step_id=case.step.step_id)
        goes_on = case.step.continue_on_error and not is_final
        following = Next.GO_ON if goes_on else Next.FAILED
        return await self.cases.end(case, StepState.FAILED, following, why, entry=said, prefix=f"{case.step.name}: ")

    async def _skip(self, case: Case, why: str, *, is_said: bool = False) -> StepResult:
        now = self.cases.clock.now()
        said = texts.entry(case.run, "skipped", "step.skipped", why, now, step_id=case.step.step_id)
        return await self.cases.end(case, StepState.SKIPPED, Next.GO_ON, why, entry=said if is_said else None)

    def _rendered(self, case: Case, action: Action[Any]) -> list[StepRow]:
        """The rows that will act, with their arguments: the step's own, or one for each item."""
        if case.step.foreach is None:
            plan = plan_step(case.step, action, case.names, case.known, case.incident.labels)
            return [replace(case.row, arguments=plan.plain, arguments_digest=plan.digest)]
        found = []
        for index, item in enumerate(items(case.step, case.names, case.known)):
            row = StepRow(
                f"{case.step.step_id}[{index}]",
                case.row.position,
                f"{case.step.name} ({texts.shown(item)})",
                case.step.uses,
                StepState.READY,
                item=item,
            )
            plan = plan_step(case.step, action, case.names, case.known_of(row), case.incident.labels)
            found.append(replace(row, arguments=plan.plain, arguments_digest=plan.digest))
        return found

    def _parent(self, case: Case, rows: Sequence[StepRow]) -> tuple[StepRow, tuple[StepRow, ...]]:
        if case.step.foreach is None:
            return replace(rows[0], state=StepState.READY), ()
        digests = "\n".join(str(row.arguments_digest) for row in rows)
        whole = hashlib.sha256(digests.encode()).hexdigest()
        parent = replace(
            case.row, state=StepState.READY, item=[row.item for row in rows], arguments_digest=whole, num_done=0
        )
        return parent, tuple(rows)

    async def _prior(self, case: Case, action: Action[Any], row: StepRow) -> Any:
        arguments = action.arguments.model_validate(row.arguments)
        return await self.acting.prior(case.step, action, arguments)

    def _described(self, case: Case, action: Action[Any], row: StepRow) -> Description:
        arguments = action.arguments.model_validate(row.arguments)
        described = action.describe(arguments, row.prior or {}, case.step.lease_s)
        hold_s = case.runbook.hold_s(case.run.inputs)
        if hold_s is not None and action.takes_lease:
            return replace(described, undo=f"given back after {format_duration(hold_s)}; {described.undo}")
        if case.step.undo is None or action.takes_lease:
            return described
        return replace(described, undo=f"Undo takes it back by {case.step.undo.uses}")

    async def _ask(
        self,
        case: Case,
        row: StepRow,
        children: Sequence[StepRow],
        description: Description,
        approval: Approval,
        action: Action[Any],
    ) -> None:
        now = self.cases.clock.now()
        excludes = action.is_risky if approval.excludes_requester is None else approval.excludes_requester
        assert row.arguments_digest is not None
        deadline = case.run.deadline
        asked = ApprovalRow(
            approval_id=approval_id(case.run.run_id, case.step.step_id, row.num_asked),
            run_id=case.run.run_id,
            step_id=case.step.step_id,
            incident_id=case.run.incident_id,
            role=",".join(approval.roles),
            will_do=description.will_do,
            undo=description.undo,
            digest=row.arguments_digest,
            requested_at=now,
            expires_at=now + approval.timeout_s if deadline is None else min(now + approval.timeout_s, deadline),
            count=approval.count,
            on_timeout=approval.on_timeout,
            excluded=(case.run.requester or None) if excludes else None,
        )
        said = texts.entry(
            case.run, f"asked:{row.num_asked}" if row.num_asked else "asked", "approval.requested",
            texts.asked(description, approval), now, step_id=case.step.step_id,
        )  # fmt: skip
        waiting = replace(row, state=StepState.WAITING_APPROVAL, detail=description.will_do)
        await self.cases.commit(
            Change(
                case.run.run_id,
                now,
                (waiting, *children),
                state=RunState.WAITING,
                detail=f"waiting for {texts.who(approval)} to approve",
                entries=(said,),
                approval=asked,
                frees_locks=True,
            )
        )


def needed_approval(runbook: Runbook, step: Step, action: Action[Any]) -> Approval | None:
    """The approval that a changing step needs: its own, or in mode `suggest` one from the action's role."""
    if step.approval is not None or runbook.mode == "auto" or action.only_tells:
        return step.approval
    return Approval((action.role,), SUGGESTED_TIMEOUT_S)


def limit_text(runbook: Runbook) -> str:
    """Why a run that takes too long makes no further step."""
    return f"the run's time of {format_duration(runbook.timeout_s)} is over"
