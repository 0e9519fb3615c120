"""The stages of a step, each one durable step of the workflow: prepare, await a decision, act, verify.

Every stage reads the store first and may be run again after a crash: what was done already is found, not repeated.
A stage never raises for what can be expected; it answers what comes next.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypedDict

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.incident.incident import Incident
from opsbot.runbook import texts
from opsbot.runbook.acting import Acting
from opsbot.runbook.action import Action, ActionRegistry, Description, Outcome
from opsbot.runbook.held import RunLocks
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Approval, Runbook, Step
from opsbot.runbook.plan import Plan, is_wanted, plan_step
from opsbot.runbook.probe import Prober
from opsbot.runbook.run import Run, RunState, StepState
from opsbot.runbook.scope import RunFacts, StepResult, incident_of, values, variables
from opsbot.runbook.store import ApprovalRow, RunStore, StepRow
from opsbot.runbook.verifying import watch
from opsbot.yamlfile import format_duration

SUGGESTED_TIMEOUT_S = 600.0
"""How long a `suggest` run waits for the approval of a step that asks for none itself."""


class Next(StrEnum):
    """What follows a stage."""

    ACT = "act"
    ASK = "ask"
    VERIFY = "verify"
    GO_ON = "go_on"
    FAILED = "failed"
    REFUSED = "refused"
    STOPPED = "stopped"
    UNDO_STEP = "undo_step"
    INTERRUPTED = "interrupted"


class StageResult(TypedDict):
    """What a stage answers; plain JSON, since the workflow records it."""

    next: str
    detail: str
    until: float
    outputs: Mapping[str, Any]


def result(
    following: Next, detail: str = "", *, until: float = 0.0, outputs: Mapping[str, Any] | None = None
) -> StageResult:
    """A stage's answer; *until* is when its follower gives up, seconds since the epoch."""
    return {"next": following.value, "detail": detail, "until": until, "outputs": outputs or {}}


def approval_id(run_id: str, step_id: str) -> str:
    """The id of a step's approval: short enough to say, and the same after a crash."""
    return "apr-" + hashlib.sha256(f"{run_id}:{step_id}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Case:
    run: Run
    runbook: Runbook
    step: Step
    row: StepRow
    incident: Incident


@dataclass(frozen=True, slots=True)
class Stages:
    """Runs single stages. All state is in the store."""

    store: RunStore
    registry: ActionRegistry
    prober: Prober
    clock: Clock
    acting: Acting
    locks: RunLocks
    poll_s: float = 1.0

    async def prepare(
        self, run_id: str, step_id: str, results: Mapping[str, StepResult], deadline: float
    ) -> StageResult:
        """Decide whether the step acts, and ask for its approval if it needs one."""
        case = await self._case(run_id, step_id)
        if _is_interrupted(case.run, case.incident):
            return result(Next.INTERRUPTED)
        now = self.clock.now()
        if now >= deadline:
            limit = format_duration(case.runbook.timeout_s)
            return await self._fail(case, f"the run's time of {limit} is over", is_final=True)
        if case.row.state is StepState.WAITING_APPROVAL:
            return result(Next.ASK)
        names = variables(case.runbook, case.step, self.registry)
        known = values(case.runbook, case.step, case.incident, RunFacts(case.run.run_id), results, self.registry)
        try:
            if not is_wanted(case.step, names, known):
                return await self._skip(case, f"{case.step.condition} is false")
            action = self.registry.get(case.step.uses)
            plan = plan_step(case.step, action, names, known, case.incident.labels)
            prior = {} if action.is_read_only else await self.acting.prior(case.step, action, plan.arguments)
        except OpsbotError as error:
            return await self._fail(case, str(error))
        planned = replace(case.row, arguments=plan.plain, arguments_digest=plan.digest)
        if action.is_read_only:
            await self._put(case.run, planned)
            return result(Next.ACT)
        description = action.describe(plan.arguments, prior, case.step.lease_s)
        if case.runbook.mode == "observe":
            return await self._skip(case, f"Would {description.will_do} (this runbook only observes)", is_said=True)
        approval = needed_approval(case.runbook, case.step, action)
        if approval is None:
            await self._put(case.run, planned)
            return result(Next.ACT)
        return await self._ask(case, replace(planned, prior=prior), plan, description, approval, deadline)

    async def decision(self, run_id: str, step_id: str) -> StageResult:
        """Look at the approval: decided, expired, pointless by now, or still open."""
        case = await self._case(run_id, step_id)
        approval = await asyncio.to_thread(self.store.approval, approval_id(run_id, step_id))
        now = self.clock.now()
        if _is_interrupted(case.run, case.incident):
            await asyncio.to_thread(self.store.expire_approval, approval.approval_id, now)
            await self._put(case.run, replace(case.row, state=StepState.SKIPPED, detail="no longer needed"))
            return result(Next.INTERRUPTED)
        if approval.state == "open" and now < approval.expires_at:
            return result(Next.ASK, until=approval.expires_at)
        if approval.state == "open":
            said = texts.entry(
                case.run, "expired", "approval.expired", "Nobody approved in time: nothing was changed.", now,
                step_id=step_id, is_broadcast=True,
            )  # fmt: skip
            approval = await asyncio.to_thread(self.store.expire_approval, approval.approval_id, now, entry=said)
        if approval.state == "granted":
            await asyncio.to_thread(self.store.move_run, run_id, RunState.RUNNING, case.step.name, now)
            return result(Next.ACT)
        detail = "nobody approved in time" if approval.state == "expired" else f"refused by {approval.decided_by}"
        await self._put(case.run, replace(case.row, state=StepState.SKIPPED, detail=detail))
        return result(Next.REFUSED, detail)

    async def act(self, run_id: str, step_id: str) -> StageResult:
        """Act, once."""
        case = await self._case(run_id, step_id)
        if _is_interrupted(case.run, case.incident) and case.row.idempotency_key is None:
            return result(Next.INTERRUPTED)
        action = self.registry.find(case.row.uses)
        if action is not None and needed_approval(case.runbook, case.step, action) and not action.is_read_only:
            approval = await asyncio.to_thread(self.store.approval, approval_id(run_id, step_id))
            if approval.state != "granted" or approval.digest != case.row.arguments_digest:
                return await self._fail(case, "the approval is not for what would be done now", is_final=True)
        try:
            if action is None or not action.is_read_only:
                outcome = await self.acting.act(case.run, case.step, case.row)
            else:
                read = await self._read(case)
                if read is None:
                    return result(Next.INTERRUPTED)
                outcome = read
        except OpsbotError as error:
            return result(Next.GO_ON if case.step.continue_on_error else Next.FAILED, f"{case.step.name}: {error}")
        if case.step.verify is None:
            return result(Next.GO_ON, outputs=outcome.outputs)
        # The deadline is recorded with the act, so that a crash does not lengthen the verification.
        return result(Next.VERIFY, until=self.clock.now() + case.step.verify.timeout_s, outputs=outcome.outputs)

    async def _read(self, case: _Case) -> Outcome | None:
        """A read-only act, which may be a long wait; None if it became pointless meanwhile."""
        reading = asyncio.create_task(self.acting.act(case.run, case.step, case.row))
        try:
            while not (await asyncio.wait({reading}, timeout=self.poll_s))[0]:
                now = await self._case(case.run.run_id, case.step.step_id)
                if _is_interrupted(now.run, now.incident):
                    return None
            return reading.result()
        finally:
            reading.cancel()

    async def verify(self, run_id: str, step_id: str, until: float) -> StageResult:
        """Watch the step's condition until *until*."""
        case = await self._case(run_id, step_id)
        verify = case.step.verify
        assert verify is not None

        async def is_interrupted() -> bool:
            now = await self._case(run_id, step_id)
            return _is_interrupted(now.run, now.incident)

        seen = await watch(verify, self.prober, self.clock, until, is_interrupted, self.poll_s)
        match seen:
            case "interrupted":
                return result(Next.INTERRUPTED)
            case "verified":
                text, kind, state = texts.verified(verify), "step.verified", StepState.SUCCEEDED
            case "not_verified":
                text, kind, state = texts.not_verified(verify), "step.not_verified", StepState.NOT_VERIFIED
            case "unknown":
                text, kind, state = texts.cannot_verify(verify), "step.not_verified", StepState.NOT_VERIFIED
        now = self.clock.now()
        said = texts.entry(case.run, "verified", kind, text, now, step_id=step_id, is_broadcast=True)
        async with self.locks.of(run_id):
            # Read again under the lock: a renewal may have changed the row meanwhile.
            row = replace((await self._case(run_id, step_id)).row, state=state, detail=text)
            await asyncio.to_thread(self.store.put_step, run_id, row, now, entry=said)
        if seen == "verified":
            return result(Next.GO_ON)
        if seen == "unknown":
            return result(Next.STOPPED, text)
        following = {"continue": Next.GO_ON, "stop": Next.STOPPED, "undo": Next.UNDO_STEP}[case.step.on_verify_failed]
        return result(following, text)

    async def _ask(
        self, case: _Case, row: StepRow, plan: Plan, description: Description, approval: Approval, deadline: float
    ) -> StageResult:
        now = self.clock.now()
        asked = ApprovalRow(
            approval_id=approval_id(case.run.run_id, case.step.step_id),
            run_id=case.run.run_id,
            step_id=case.step.step_id,
            incident_id=case.run.incident_id,
            role=approval.roles[0],
            will_do=description.will_do,
            undo=description.undo,
            digest=plan.digest,
            requested_at=now,
            expires_at=min(now + approval.timeout_s, deadline),
        )
        text = texts.asked(approval.roles[0], description, approval)
        said = texts.entry(case.run, "asked", "approval.requested", text, now, step_id=case.step.step_id)
        await asyncio.to_thread(self.store.request_approval, asked, now, entry=said)
        await self._put(case.run, replace(row, state=StepState.WAITING_APPROVAL, detail=description.will_do))
        waiting_for = f"waiting for {texts.ROLE_NAMES[approval.roles[0]]} to approve"
        await asyncio.to_thread(self.store.move_run, case.run.run_id, RunState.WAITING, waiting_for, now)
        return result(Next.ASK)

    async def _skip(self, case: _Case, why: str, *, is_said: bool = False) -> StageResult:
        now = self.clock.now()
        said = texts.entry(case.run, "skipped", "step.skipped", why, now, step_id=case.step.step_id)
        row = replace(case.row, state=StepState.SKIPPED, detail=why)
        await asyncio.to_thread(self.store.put_step, case.run.run_id, row, now, entry=said if is_said else None)
        return result(Next.GO_ON, why)

    async def _fail(self, case: _Case, why: str, *, is_final: bool = False) -> StageResult:
        now = self.clock.now()
        text = f"{case.step.name} failed: {why}"
        said = texts.entry(case.run, "failed", "step.failed", text, now, step_id=case.step.step_id)
        row = replace(case.row, state=StepState.FAILED, detail=why)
        await asyncio.to_thread(self.store.put_step, case.run.run_id, row, now, entry=said)
        goes_on = case.step.continue_on_error and not is_final
        return result(Next.GO_ON if goes_on else Next.FAILED, f"{case.step.name}: {why}")

    async def _put(self, run: Run, row: StepRow) -> None:
        await asyncio.to_thread(self.store.put_step, run.run_id, row, self.clock.now())

    async def _case(self, run_id: str, step_id: str) -> _Case:
        def read() -> _Case:
            run = self.store.run(run_id)
            runbook = pinned_runbook(run.runbook_json, run.revision)
            row = next(one for one in self.store.steps(run_id) if one.step_id == step_id)
            return _Case(
                run, runbook, runbook.step(step_id), row, incident_of(run, self.store.incident(run.incident_id))
            )

        return await asyncio.to_thread(read)


def needed_approval(runbook: Runbook, step: Step, action: Action[Any]) -> Approval | None:
    """The approval that a changing step needs: its own, or in mode `suggest` one from the action's role."""
    if step.approval is not None or runbook.mode == "auto":
        return step.approval
    return Approval((action.role,), timeout_s=SUGGESTED_TIMEOUT_S, reason="")


def _is_interrupted(run: Run, incident: Incident) -> bool:
    return run.state is RunState.UNDOING or incident.is_resolved
