"""One act of one step: read the value before, store the intent, act under a key, and look up what was lost.

The order is always store, act, store: a crash between any two leaves a key by which the outcome can be found.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from opsbot.clock import Clock
from opsbot.errors import ActionError, OpsbotError
from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionContext, ActionRegistry, Facts, Outcome
from opsbot.runbook.held import key_of
from opsbot.runbook.model import Retry, Step
from opsbot.runbook.run import Run, StepState
from opsbot.runbook.store import RunStore, StepRow
from opsbot.yamlfile import format_duration

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acting:
    """Performs acts and keeps their record."""

    store: RunStore
    registry: ActionRegistry
    clock: Clock

    async def act(self, run: Run, step: Step, row: StepRow) -> Outcome:
        """Perform the step, or find that it was performed before a crash. Harmless when repeated.

        Raises: OpsbotError after the step is recorded as failed.
        """
        action = self.registry.get(row.uses)
        arguments = action.arguments.model_validate(row.arguments)
        may_have_happened = row.idempotency_key is not None
        try:
            if not action.is_read_only and not may_have_happened:
                row = await self._intend(run, step, row, action)
            outcome = await self._try(run, step, row, action, arguments, may_have_happened)
        except OpsbotError as error:
            await self._failed(run, row, error)
            raise
        outcome = _checked(action, outcome)
        await self._succeeded(run, step, row, outcome, action)
        return outcome

    async def prior(self, step: Step, action: Action[Any], arguments: Any) -> Facts:
        """The value before the change, tried as often as the step says; raises OpsbotError."""
        for pause_s in _pauses(step.retry):
            try:
                async with asyncio.timeout(step.timeout_s):
                    return await action.prior(arguments)
            except TimeoutError:
                error: OpsbotError = _no_answer(action, step)
            except OpsbotError as raised:
                error = raised
            if pause_s is None or not error.retryable:
                raise error
            await asyncio.sleep(pause_s)
        raise AssertionError("the last pause is None")

    async def _intend(self, run: Run, step: Step, row: StepRow, action: Action[Any]) -> StepRow:
        prior = await self.prior(step, action, action.arguments.model_validate(row.arguments))
        key = key_of(run.run_id, step.step_id, 1)
        intent = replace(row, state=StepState.ACTING, prior=prior, idempotency_key=key)
        await self._put(run, intent)
        return intent

    async def _try(
        self, run: Run, step: Step, row: StepRow, action: Action[Any], arguments: Any, may_have_happened: bool
    ) -> Outcome:
        incident = await asyncio.to_thread(self.store.incident, run.incident_id)
        context = ActionContext(
            run.run_id,
            row.idempotency_key or "",
            f"{incident.incident_id}: {step.name}",
            step.lease_s,
            incident.incident_id,
        )
        for pause_s in _pauses(step.retry):
            try:
                async with asyncio.timeout(step.timeout_s):
                    if may_have_happened and not action.is_read_only:
                        found = await action.find(arguments, context.idempotency_key)
                        if found is not None:
                            return found
                        if not action.is_idempotent:
                            raise ActionError(f"{action.name}: it is unknown whether it happened; a person must look")
                    return await action.act(arguments, context)
            except TimeoutError:
                error: OpsbotError = _no_answer(action, step)
            except OpsbotError as raised:
                error = raised
            is_unknown = isinstance(error, ActionError) and error.outcome_unknown
            may_have_happened = may_have_happened or is_unknown
            if pause_s is None or not (error.retryable or is_unknown):
                if may_have_happened and not is_unknown:
                    raise ActionError(str(error), outcome_unknown=True) from error
                raise error
            await asyncio.sleep(pause_s)
        raise AssertionError("the last pause is None")

    async def _succeeded(self, run: Run, step: Step, row: StepRow, outcome: Outcome, action: Action[Any]) -> None:
        state = StepState.SUCCEEDED if step.verify is None else StepState.VERIFYING
        done = replace(row, state=state, lease_id=outcome.lease_id, detail=outcome.text)
        kind = "step.read" if action.is_read_only else "step.acted"
        said = texts.entry(
            run, "acted:1", kind, outcome.text, self.clock.now(), step_id=step.step_id,
            is_broadcast=not action.is_read_only,
        )  # fmt: skip
        await asyncio.to_thread(self.store.put_step, run.run_id, done, self.clock.now(), entry=said)

    async def _failed(self, run: Run, row: StepRow, error: OpsbotError) -> None:
        is_unknown = isinstance(error, ActionError) and error.outcome_unknown
        rows = await asyncio.to_thread(self.store.steps, run.run_id)
        stored = next(one for one in rows if one.step_id == row.step_id)
        failed = replace(stored, state=StepState.FAILED, detail=str(error), lease_released=not is_unknown)
        text = f"{row.name} failed: {error}"
        said = texts.entry(run, "failed", "step.failed", text, self.clock.now(), step_id=row.step_id)
        await asyncio.to_thread(self.store.put_step, run.run_id, failed, self.clock.now(), entry=said)

    async def _put(self, run: Run, row: StepRow) -> None:
        await asyncio.to_thread(self.store.put_step, run.run_id, row, self.clock.now())


def _checked(action: Action[Any], outcome: Outcome) -> Outcome:
    """The outcome with the outputs that the action declares: plain JSON, whatever it returned."""
    try:
        outputs = action.outputs.model_validate(outcome.outputs).model_dump(mode="json")
    except ValidationError as error:
        # It has acted, so this is no failure of the step; expressions see what is missing as null.
        logger.error("%s yielded other outputs than it declares: %s", action.name, error)
        outputs = {}
    return replace(outcome, outputs=outputs)


def _pauses(retry: Retry) -> tuple[float | None, ...]:
    """The pause after each try; None after the last."""
    return (*(retry.delay_s * 2**tried for tried in range(retry.attempts - 1)), None)


def _no_answer(action: Action[Any], step: Step) -> ActionError:
    return ActionError(
        f"{action.name}: no answer within {format_duration(step.timeout_s)}",
        retryable=action.is_read_only,
        outcome_unknown=not action.is_read_only,
    )
