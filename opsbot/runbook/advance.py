"""Takes one step of one run as far as it gets without waiting for a person; the durable workflow records the answer.

Every look begins with what the store says, so a crash at any line is found and not repeated. A look never raises for
what can be expected; it answers what comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opsbot.errors import ActionError, InvalidTransition, OpsbotError
from opsbot.incident.handle import handle_of
from opsbot.runbook import texts
from opsbot.runbook.acting import ActBroke, Acting
from opsbot.runbook.case import Case, Cases
from opsbot.runbook.consent import Consent
from opsbot.runbook.gate import LOOK_AGAIN_S, Gate
from opsbot.runbook.held import RunLocks
from opsbot.runbook.performing import OutcomeUnknown, Sleep
from opsbot.runbook.preparing import MAX_ASKED, Prepared, Preparing
from opsbot.runbook.probe import Prober
from opsbot.runbook.query import compile_query
from opsbot.runbook.result import Next, StepResult, result
from opsbot.runbook.run import STEP_ENDS, RunState, StepState
from opsbot.runbook.store import Change, StepRow
from opsbot.runbook.verifying import Verification, watch

_NOT_YET_ACTED = frozenset({StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY})
MOST_OVERTAKEN = 3
"""How often in a row somebody may move the run while a look at it is under way."""
_FOLLOWING = {"continue": Next.GO_ON, "stop": Next.STOPPED, "undo": Next.UNDO_STEP}


@dataclass(frozen=True, slots=True)
class Advance:
    """Advances steps. All state is in the store."""

    cases: Cases
    preparing: Preparing
    consent: Consent
    gate: Gate
    acting: Acting
    prober: Prober
    locks: RunLocks
    sleep: Sleep = asyncio.sleep
    poll_s: float = 1.0

    async def step(self, run_id: str, step_id: str) -> StepResult:
        """Look at the step, and go on with it, until something else comes first."""
        num_overtaken = 0
        while True:
            case = await self.cases.read(run_id, step_id)
            try:
                answer = await self._look(case)
            except InvalidTransition:
                # Somebody has moved the run since it was read, by Undo for example: look anew.
                num_overtaken += 1
                if num_overtaken > MOST_OVERTAKEN:
                    raise
                continue
            if answer is not None:
                return answer

    async def _look(self, case: Case) -> StepResult | None:
        row = case.row
        if row.state in STEP_ENDS:
            following = Next(row.following or Next.GO_ON)
            # As it was answered when it ended, before a crash.
            is_named = row.state is StepState.FAILED and following is Next.FAILED and not case.items
            detail = f"{row.name}: {row.detail}" if is_named else row.detail
            return result(following, detail if following is not Next.GO_ON else "")
        if row.state in _NOT_YET_ACTED:
            answer = await self._before(case)
            if answer is not None:
                return answer
        match row.state:
            case StepState.PENDING:
                prepared = await self.preparing.prepare(case)
                if isinstance(prepared, Prepared):
                    return await self._begin(case, prepared)
                return prepared
            case StepState.WAITING_APPROVAL:
                return await self.consent.approval(case)
            case StepState.ANNOUNCING:
                return await self.consent.announcement(case)
            case StepState.READY:
                return await self._ready(case)
            case StepState.ACTING:
                return await (self._act_on_items(case) if case.items else self._act(case, row))
            case StepState.VERIFYING:
                return await self._verify(case)
            case StepState.UNKNOWN if case.is_interrupted:
                return result(Next.INTERRUPTED)
        return result(Next.WAIT, until=self.cases.clock.now() + LOOK_AGAIN_S)

    async def _before(self, case: Case) -> StepResult | None:
        """What comes before anything that a step that has not acted could do; None if nothing does."""
        if case.is_interrupted:
            await self.consent.withdraw(case)
            return await self.cases.end(case, StepState.SKIPPED, Next.INTERRUPTED, "no longer needed")
        if case.row.skipped_by:
            await self.consent.withdraw(case)
            why = f"left out by {case.row.skipped_by}: {case.row.skip_reason}"
            return await self.cases.end(case, StepState.SKIPPED, Next.GO_ON, why)
        if case.is_late:
            await self.consent.withdraw(case)
            return await self.preparing.late(case)
        if case.run.paused_by and case.row.state is StepState.PENDING:
            return result(Next.WAIT, until=self.cases.clock.now() + LOOK_AGAIN_S)
        return None

    async def _begin(self, case: Case, prepared: Prepared) -> StepResult | None:
        """Act on what was prepared a moment ago; only the items of many are stored before."""
        if not prepared.items:
            return await self._pass(case, prepared.row)
        await self.cases.put(case, prepared.row, *prepared.items)
        return None

    async def _ready(self, case: Case) -> StepResult | None:
        """A step that people have consented to: see that what they were told still holds."""
        rows = case.items or (case.row,)
        action = case.action()
        for row in rows:
            arguments = action.arguments.model_validate(row.arguments)
            try:
                prior = {} if action.is_read_only else await self.acting.prior(case.step, action, arguments)
            except OpsbotError as error:
                return await self.preparing.fail(case, str(error))
            if row.prior is not None and dict(prior) != dict(row.prior):
                return await self._changed_meanwhile(case, row)
        if not case.items:
            return await self._pass(case, case.row)
        await self.cases.put(case, replace(case.row, state=StepState.ACTING))
        return None

    async def _changed_meanwhile(self, case: Case, row: StepRow) -> StepResult | None:
        """The value is another than the one that was shown: ask anew, with the value as it is now."""
        if case.row.num_asked + 1 >= MAX_ASKED:
            why = "the value changes each time before it could be done"
            return await self.preparing.fail(case, why, is_final=True)
        number = case.row.num_asked + 1
        text = f"{row.name}: the value has changed since it was shown; it is looked at anew."
        said = texts.entry(
            case.run, f"changed:{number}", "step.changed", text, self.cases.clock.now(), step_id=case.step.step_id
        )
        # It may have waited at the gate: while it is asked about anew, others may have the knob.
        pending = replace(case.row, state=StepState.PENDING, num_asked=number)
        await self.cases.put(case, pending, entry=said, frees=True)
        return None

    async def _pass(self, case: Case, row: StepRow) -> StepResult | None:
        """Through the gate, then act."""
        if not case.action().is_read_only:
            entered = await self.gate.enter(case, row)
            if entered is False:
                # It has waited, and values change meanwhile: look at it anew, with the knob in hand.
                return None
            if entered is not True:
                return entered
        return await self._act(case, row)

    async def _act(self, case: Case, row: StepRow) -> StepResult | None:
        verify = case.step.verify
        until = None if verify is None else self.cases.clock.now() + verify.timeout_s
        done = await self._one(case, row, Next.GO_ON.value, until)
        if not isinstance(done, StepRow):
            return done
        return result(Next.GO_ON) if until is None else None

    async def _one(self, case: Case, row: StepRow, following: str, until: float | None) -> StepRow | StepResult:
        """Perform one row; answers it, or what follows if it broke."""
        try:
            action = case.action()
        except OpsbotError as error:
            return await self._broke(case, row, error)
        try:
            if not action.is_read_only:
                return await self.acting.act(case, row, following=following, until=until)
            reading = asyncio.create_task(self.acting.act(case, row, following=following, until=until))
            return await self._unless_interrupted(case, reading)
        except ActBroke as broke:
            if isinstance(broke.error, OutcomeUnknown) and case.run.state is not RunState.FINISHING:
                return await self._unknown(case, row, broke.error)
            return await self._broke(case, row, broke.error)

    async def _unless_interrupted(self, case: Case, reading: asyncio.Task[StepRow]) -> StepRow | StepResult:
        """A read-only act may be a long wait; it is given up once it has become pointless."""
        try:
            while not (await asyncio.wait({reading}, timeout=self.poll_s))[0]:
                if (await self.cases.read(case.run.run_id, case.step.step_id)).is_interrupted:
                    return result(Next.INTERRUPTED)
            return reading.result()
        finally:
            reading.cancel()

    async def _broke(self, case: Case, row: StepRow, error: OpsbotError) -> StepResult:
        stored = (await self.cases.read(case.run.run_id, case.step.step_id)).rows.get(row.step_id, row)
        text = f"{row.name} failed: {error}"
        now = self.cases.clock.now()
        said = texts.entry(case.run, "failed", "step.failed", text, now, step_id=row.step_id)
        following = Next.GO_ON if case.step.continue_on_error else Next.FAILED
        is_unknown = isinstance(error, ActionError) and error.outcome_unknown
        failed = replace(stored, lease_released=not is_unknown, outputs=None)
        if row.step_id == case.step.step_id:
            return await self.cases.end(
                case, StepState.FAILED, following, str(error), row=failed, entry=said, prefix=f"{row.name}: "
            )
        child = replace(failed, state=StepState.FAILED, detail=str(error))
        await self.cases.put(case, child, entry=said)
        return result(following, f"{row.name}: {error}")

    async def _unknown(self, case: Case, row: StepRow, error: OutcomeUnknown) -> StepResult:
        """Whether it happened is not known, and cannot be found out: ask."""
        stored = (await self.cases.read(case.run.run_id, case.step.step_id)).rows[row.step_id]
        now = self.cases.clock.now()
        text = (
            f"{row.name}: {error}. It may have happened; it is not repeated. Look, then say whether it did: "
            f"`opsbot settle {handle_of(case.run.run_id)} {row.step_id} happened` or `… not`."
        )
        said = texts.entry(
            case.run, f"unknown:{texts.short_digest(str(stored.idempotency_key))}", "step.unknown", text, now,
            step_id=row.step_id, is_broadcast=True,
        )  # fmt: skip
        unknown = replace(stored, state=StepState.UNKNOWN, detail=str(error))
        if (await self.cases.read(case.run.run_id, case.step.step_id)).run.state is RunState.UNDOING:
            await self.cases.put(case, unknown, entry=said)
            return result(Next.INTERRUPTED)
        await self.cases.commit(
            Change(
                case.run.run_id,
                now,
                (unknown,),
                state=RunState.WAITING,
                detail=f"somebody must say whether this happened: {row.name}",
                entries=(said,),
            )
        )
        return result(Next.WAIT, until=now + LOOK_AGAIN_S)

    async def _act_on_items(self, case: Case) -> StepResult | None:
        """Act on the items up to the end of the stage; None when the stage is to be verified, or the next begins."""
        total = len(case.items)
        end = self._stage_end(case, total)
        for item in case.items[case.row.num_done : end]:
            if item.state is StepState.FAILED and not case.step.continue_on_error:
                # It broke a moment before a crash.
                return await self.cases.end(case, StepState.FAILED, Next.FAILED, f"{item.name}: {item.detail}")
            if item.state in STEP_ENDS:
                continue
            if item.state is StepState.UNKNOWN:
                if case.is_interrupted:
                    return result(Next.INTERRUPTED)
                return result(Next.WAIT, until=self.cases.clock.now() + LOOK_AGAIN_S)
            if item.idempotency_key is None or item.state is StepState.READY:
                now = await self.cases.read(case.run.run_id, case.step.step_id)
                if now.is_interrupted:
                    return await self.cases.end(case, StepState.SKIPPED, Next.INTERRUPTED, "no longer needed")
                if now.is_late:
                    return await self.preparing.late(now)
                if not case.action().is_read_only:
                    entered = await self.gate.enter(now, item)
                    if entered is False:
                        return None
                    if entered is not True:
                        return entered
            done = await self._one(case, item, "", None)
            if isinstance(done, StepRow):
                continue
            if done["next"] != Next.GO_ON:
                if done["next"] != Next.WAIT:
                    await self.cases.end(case, StepState.FAILED, Next(done["next"]), done["detail"])
                return done
        if case.step.verify is not None and await self._has_done_any(case, end):
            until = self.cases.clock.now() + case.step.verify.timeout_s
            await self.cases.put(case, replace(case.row, state=StepState.VERIFYING, until=until))
            return None
        return await self._stage_done(case, end)

    async def _has_done_any(self, case: Case, end: int) -> bool:
        """Whether there is something to verify in the stage."""
        now = await self.cases.read(case.run.run_id, case.step.step_id)
        return any(item.state is StepState.SUCCEEDED for item in now.items[case.row.num_done : end])

    def _stage_end(self, case: Case, total: int) -> int:
        ends = (share.of(total) for share in case.step.stages)
        return next((end for end in ends if end > case.row.num_done), total)

    async def _stage_done(self, case: Case, end: int) -> StepResult | None:
        now = await self.cases.read(case.run.run_id, case.step.step_id)
        num_broken = sum(item.state is StepState.FAILED for item in now.items[:end])
        broken = f", {num_broken} failed" if num_broken else ""
        if end < len(now.items):
            text = f"{case.step.name}: {end - num_broken} of {len(now.items)} done{broken}"
            said = texts.entry(
                case.run, f"stage:{end}", "step.stage", text, self.cases.clock.now(), step_id=case.step.step_id
            )
            row = replace(now.row, state=StepState.ACTING, num_done=end, until=None)
            await self.cases.put(case, row, entry=said)
            return None
        row = replace(now.row, num_done=end, outputs=_outputs_of(now.items))
        state = StepState.FAILED if num_broken == len(now.items) else StepState.SUCCEEDED
        return await self.cases.end(case, state, Next.GO_ON, f"{end - num_broken} done{broken}", row=row)

    async def _verify(self, case: Case) -> StepResult | None:
        """Watch the step's condition, for each item of the stage, until the time that was stored with the act."""
        verify, run_id, step_id = case.step.verify, case.run.run_id, case.step.step_id
        assert verify is not None
        end = self._stage_end(case, len(case.items)) if case.items else 0
        done = (item for item in case.items[case.row.num_done : end] if item.state is StepState.SUCCEEDED)
        rows = tuple(done) if case.items else (case.row,)
        try:
            query = compile_query(verify.expr, case.names)
            exprs = list(dict.fromkeys(query.render(case.known_of(row)) for row in rows))
        except OpsbotError as error:
            return await self._seen(case, "unknown", f" ({error})", end)

        async def is_interrupted() -> bool:
            return (await self.cases.read(run_id, step_id)).is_interrupted

        until = case.row.until or self.cases.clock.now() + verify.timeout_s
        seen = await watch(verify, exprs, self.prober, self.cases.clock, until, is_interrupted, self.poll_s, self.sleep)
        if seen == "interrupted":
            return result(Next.INTERRUPTED)
        return await self._seen(case, seen, "", end)

    async def _seen(self, case: Case, seen: Verification, why: str, end: int) -> StepResult | None:
        verify, now = case.step.verify, self.cases.clock.now()
        assert verify is not None
        match seen:
            case "verified":
                text, kind = texts.verified(verify), "step.verified"
            case "not_verified":
                text, kind = texts.not_verified(verify), "step.not_verified"
            case _:
                text, kind = texts.cannot_verify(verify) + why, "step.not_verified"
        fact = "verified" if not case.items else f"verified:{end}"
        said = texts.entry(case.run, fact, kind, text, now, step_id=case.step.step_id, is_broadcast=True)
        async with self.locks.of(case.run.run_id):
            # Read again under the lock: a renewal may have changed the row meanwhile.
            current = await self.cases.read(case.run.run_id, case.step.step_id)
            row = replace(current.row, outputs=_outputs_of(current.items)) if case.items else current.row
            if seen == "verified" and case.items:
                await self.cases.put(case, replace(row, detail=text), entry=said)
            elif seen == "verified":
                return await self.cases.end(case, StepState.SUCCEEDED, Next.GO_ON, text, row=row, entry=said)
            else:
                following = Next.STOPPED if seen == "unknown" else _FOLLOWING[case.step.on_verify_failed]
                return await self.cases.end(case, StepState.NOT_VERIFIED, following, text, row=row, entry=said)
        return await self._stage_done(case, end)


def _outputs_of(items: Sequence[StepRow]) -> dict[str, object]:
    """What later steps see of a step with `foreach`."""
    return {"items": [dict(item.outputs or {}) for item in items]}
