"""The calls of one step in a dry run: arguments, the value before as the server says now, and what would change.

Only `prior` is asked of an action that changes something; one that only reads is really asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from opsbot.errors import OpsbotError, SourceError
from opsbot.expression import Expression, ExpressionError, Variables
from opsbot.runbook.action import Action, ActionContext
from opsbot.runbook.dry_probe import Probes
from opsbot.runbook.dry_run import Call
from opsbot.runbook.dry_scope import Depends, Scope
from opsbot.runbook.model import Step
from opsbot.runbook.plan import plan_arguments, render_arguments
from opsbot.runbook.probe import Prober, promql_fields
from opsbot.runbook.scope import result_variables


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, and the outputs that it yielded; None for one that was not made."""

    call: Call
    outputs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes the calls of steps."""

    scope: Scope
    prober: Prober
    probes: Probes

    async def of(self, step: Step, action: Action[Any], items: tuple[object, ...] | None) -> list[Asked]:
        """One call, or one for each item."""
        if items is None:
            return [await self._one(step, action, self.scope.known(step), None)]
        known = self.scope.known(step)
        return list(await asyncio.gather(*(self._one(step, action, {**known, "item": item}, item) for item in items)))

    async def _one(self, step: Step, action: Action[Any], known: Mapping[str, object], item: object) -> Asked:
        names = self.scope.names(step)
        rendered, unknown, problem = self._rendered(step, action, names, known)
        call = Call(rendered, unknown, item)
        if unknown or problem:
            return Asked(replace(call, problem=problem))
        try:
            labels = self.scope.incident.labels
            plan = plan_arguments(step.arguments, action, names, known, labels, step.lease_s)
        except OpsbotError as error:
            return Asked(replace(call, problem=str(error)))
        arguments = plan.arguments
        call = replace(call, arguments=dict(plan.plain))
        if action.is_read_only:
            return await self._read(step, action, arguments, call)
        call = replace(call, cluster=action.cluster(arguments), knobs=action.locks(arguments))
        try:
            prior = await self.probes.ask(lambda: action.prior(arguments))
            description = action.describe(arguments, prior, step.lease_s)
            turns = action.turns(arguments, prior)
        except OpsbotError as error:
            return Asked(replace(call, problem=f"the value before cannot be read: {error}"))
        told = replace(call, prior=dict(prior), will_do=description.will_do, undo=description.undo, turns=turns)
        return Asked(told)

    def _rendered(
        self, step: Step, action: Action[Any], names: Variables, known: Mapping[str, object]
    ) -> tuple[dict[str, Any], dict[str, str], str]:
        """Known arguments, what the others depend on, and why one can never be rendered."""
        found: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        for key, written in step.arguments.items():
            one = {key: written}
            try:
                found |= self.scope.evaluated(written, partial(render_arguments, one, action, names, known))
            except Depends as error:
                unknown[key] = str(error)
            except ExpressionError as error:
                return found, unknown, f"{key}: {error}"
        return found, unknown, ""

    async def _read(self, step: Step, action: Action[Any], arguments: Any, call: Call) -> Asked:
        if not action.output_names():
            return await self._awaited(action, call)
        context = ActionContext(self.scope.facts.run_id, f"{step.step_id}:plan", f"plan: {step.name}")
        try:
            outcome = await self.probes.ask(lambda: action.act(arguments, context))
        except OpsbotError as error:
            return Asked(replace(call, problem=str(error)))
        outputs = {**outcome.outputs, **self._published(step, outcome.outputs)}
        return Asked(replace(call, reading=outcome.text), outputs)

    async def _awaited(self, action: Action[Any], call: Call) -> Asked:
        """Of an action that yields nothing, only the conditions in its arguments are asked: it may wait for long."""
        said = []
        for key in sorted(promql_fields(action.arguments) & call.arguments.keys()):
            expr = str(call.arguments[key])
            try:
                verdict = await self.probes.ask(partial(self.prober.check, expr))
            except SourceError as error:
                return Asked(replace(call, problem=f"{key} cannot be asked: {error}"))
            said.append(f"{expr} {VERDICTS[verdict]}")
        return Asked(replace(call, reading="; ".join(said)))

    def _published(self, step: Step, outputs: Mapping[str, Any]) -> dict[str, Any]:
        names = {**self.scope.names(step), **result_variables(step, self.scope.registry)}
        results = {f"result.{name}": value for name, value in outputs.items()}
        found: dict[str, Any] = {}
        for name, text in step.outputs.items():
            try:
                found[name] = Expression.compile(text, names).evaluate({**self.scope.known(step), **results})
            except ExpressionError:
                # A run does the same: what reads it then finds null.
                found[name] = None
        return found


VERDICTS: Mapping[str, str] = {"holds": "holds now", "fails": "does not hold now", "unknown": "has no data now"}
