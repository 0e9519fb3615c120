"""One act of one step: read the value before, store the intent, act under a key, and look up what was lost.

The order is always store, act, store: a crash between any two leaves a key by which the outcome can be found.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from opsbot.errors import OpsbotError
from opsbot.expression import Expression, ExpressionError
from opsbot.runbook import texts
from opsbot.runbook.action import Action, ActionContext, Facts, Outcome
from opsbot.runbook.case import Case, Cases
from opsbot.runbook.held import attempt_of, key_of
from opsbot.runbook.model import Step
from opsbot.runbook.performing import Sleep, insist, perform
from opsbot.runbook.run import StepState
from opsbot.runbook.scope import result_variables
from opsbot.runbook.store import Change, StepRow

logger = logging.getLogger(__name__)


class ActBroke(Exception):
    """An act failed, and *error* says how; a store that does not take the record of an act is no such failure."""

    def __init__(self, error: OpsbotError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Acting:
    """Performs acts and keeps their record."""

    cases: Cases
    sleep: Sleep = asyncio.sleep

    async def act(self, case: Case, row: StepRow, *, following: str = "", until: float | None = None) -> StepRow:
        """Perform the row, or find that it was performed before a crash; answers it as it is stored then.

        Args:
            row: of the step or of an item, with its arguments; with its value before unless that is to be read.
            following: what follows the step if this ends it.
            until: when a verification of it gives up; None if there is none.

        Raises: ActBroke, whose error is OutcomeUnknown where a person must say whether it happened; OpsbotError of
            the store, and then it is to be performed again: what happened is found by its key.
        """
        action = case.action()
        arguments = action.arguments.model_validate(row.arguments)
        # A row that is ready again has the key of an act that did not happen, as a person has said.
        may_have_happened = row.idempotency_key is not None and row.state is not StepState.READY
        if not action.is_read_only and not may_have_happened:
            row = await self._intend(case, row)
        try:
            outcome = await self._try(case, row, action, arguments, may_have_happened)
        except OpsbotError as error:
            raise ActBroke(error) from error
        return await self._succeeded(case, row, _checked(action, outcome), action, following, until)

    async def prior(self, step: Step, action: Action[Any], arguments: Any) -> Facts:
        """The value before the change, tried as often as the step says; raises OpsbotError."""
        return await insist(step, action, lambda: action.prior(arguments), self.sleep)

    async def _intend(self, case: Case, row: StepRow) -> StepRow:
        attempt = attempt_of(row) + 1 if row.idempotency_key else 1
        key = key_of(case.run.run_id, row.step_id, attempt)
        intent = replace(row, state=StepState.ACTING, idempotency_key=key, lease_released=False)
        await self.cases.put(case, intent)
        return intent

    async def _try(
        self, case: Case, row: StepRow, action: Action[Any], arguments: Any, may_have_happened: bool
    ) -> Outcome:
        step = case.step
        context = ActionContext(
            case.run.run_id,
            row.idempotency_key or "",
            f"{case.incident.incident_id}: {step.name}",
            step.lease_s,
            case.incident.incident_id,
            case.run.is_drill,
        )
        return await perform(step, action, arguments, context, self.sleep, may_have_happened=may_have_happened)

    async def _succeeded(
        self, case: Case, row: StepRow, outcome: Outcome, action: Action[Any], following: str, until: float | None
    ) -> StepRow:
        now = self.cases.clock.now()
        state = StepState.SUCCEEDED if until is None else StepState.VERIFYING
        done = replace(
            row,
            state=state,
            lease_id=outcome.lease_id,
            detail=outcome.text,
            outputs={**outcome.outputs, **self._published(case, outcome)},
            until=until,
            following=following if until is None else "",
        )
        kind = "step.read" if action.is_read_only else "step.acted"
        said = texts.entry(
            case.run, "acted:1", kind, outcome.text, now, step_id=row.step_id, is_broadcast=not action.is_read_only
        )
        change = Change(case.run.run_id, now, (done,), entries=(said,))
        await self.cases.commit(change)
        return done

    def _published(self, case: Case, outcome: Outcome) -> Facts:
        """The step's own outputs, as far as they have a value."""
        published: dict[str, Any] = {}
        names = {**case.names, **result_variables(case.step, case.registry)}
        results = {f"result.{name}": outcome.outputs.get(name) for name in case.action().output_names()}
        for name, text in case.step.outputs.items():
            try:
                published[name] = Expression.compile(text, names).evaluate({**case.known, **results})
            except ExpressionError as error:
                # The act is done, so this breaks no step; a later one that needs the value finds null.
                logger.warning("output %s of step %s: %s", name, case.step.step_id, error)
                published[name] = None
        return published


def _checked(action: Action[Any], outcome: Outcome) -> Outcome:
    """The outcome with the outputs that the action declares: plain JSON, whatever it returned."""
    try:
        outputs = action.outputs.model_validate(outcome.outputs).model_dump(mode="json")
    except ValidationError as error:
        # It has acted, so this is no failure of the step; expressions see what is missing as null.
        logger.error("%s yielded other outputs than it declares: %s", action.name, error)
        outputs = {}
    return replace(outcome, outputs=outputs)
