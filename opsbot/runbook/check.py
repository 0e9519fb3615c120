"""What a runbook's shape cannot say: that its actions, arguments, names and queries make sense together.

Runs on every load; each mistake is reported at the line and column where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from opsbot.expression import Expression, ExpressionError, Location, Variables, compile_value, has_template
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.scope import variables
from opsbot.yamlfile import Document, Problem, suggest


def check(runbook: Runbook, document: Document, registry: ActionRegistry) -> list[Problem]:
    """Every problem of the meaning of *runbook*, which was read from *document*."""
    checker = _Checker(document, registry)
    seen: set[str] = set()
    for index, step in enumerate(runbook.steps):
        if step.step_id in seen:
            checker.add(("steps", index, "id"), f"two steps have the id {step.step_id!r}; rename one of them")
        seen.add(step.step_id)
        checker.step(("steps", index), step, variables(runbook.inputs, runbook.steps[:index], registry))
    return checker.problems


class _Checker:
    def __init__(self, document: Document, registry: ActionRegistry) -> None:
        self._document = document
        self._registry = registry
        self.problems: list[Problem] = []

    def add(self, loc: Location, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._document.problem(loc, message, at_key=at_key))

    def step(self, at: Location, step: Step, names: Variables) -> None:
        action = self._action(at, step.uses, step.arguments, names)
        if step.condition is not None:
            self._condition((*at, "if"), step.condition, names)
        if step.verify is not None and step.verify.for_s >= step.verify.timeout_s:
            self.add((*at, "verify", "for"), "`for` must be shorter than the verification's timeout")
        if action is not None:
            self._fits_action(at, step, action)
        if step.undo is not None and not (action and action.is_read_only):
            undo = self._action((*at, "undo"), step.undo.uses, step.undo.arguments, names)
            if undo is not None and (undo.is_read_only or undo.takes_lease):
                why = "only reads" if undo.is_read_only else "sets a lease, which would itself have to be undone"
                self.add((*at, "undo", "uses"), f"{undo.name} cannot undo anything: it {why}")

    def _fits_action(self, at: Location, step: Step, action: Action[Any]) -> None:
        if action.takes_lease and step.lease_s is None:
            self.add((*at, "uses"), f"{action.name} sets a lease: say how long it lives unrenewed, e.g. `lease: 60s`")
        if not action.takes_lease and step.lease_s is not None:
            self.add((*at, "lease"), f"{action.name} sets no lease; leave this out", at_key=True)
        if step.lease_s is not None and not 5 <= step.lease_s <= 3600:
            self.add((*at, "lease"), "a lease lives between 5s and 1h without renewal")
        if not action.is_read_only:
            return
        for key, value in (("approval", step.approval), ("undo", step.undo)):
            if value is not None:
                self.add((*at, key), f"{action.name} only reads; it needs no {key}", at_key=True)

    def _action(self, at: Location, uses: str, arguments: Mapping[str, object], names: Variables) -> Action[Any] | None:
        _, mistakes = compile_value(arguments, names)
        for loc, error in mistakes:
            self._expression((*at, "with", *loc), error)
        action = self._registry.find(uses)
        if action is None:
            self.add((*at, "uses"), f"unknown action {uses!r}{suggest(uses, self._registry.names())}")
            return None
        for problem_loc, message, at_key in argument_problems(action, arguments):
            self.add((*at, "with", *problem_loc), message, at_key=at_key)
        return action

    def _condition(self, at: Location, text: str, names: Variables) -> None:
        try:
            expression = Expression.compile(text, names)
        except ExpressionError as error:
            self._expression(at, error)
            return
        if not expression.can_be_boolean:
            self.add(at, f"`{text}` is neither true nor false")

    def _expression(self, at: Location, error: ExpressionError) -> None:
        self.add(at, f"in the expression, at character {error.column}: {error}")


def argument_problems(action: Action[Any], arguments: Mapping[str, object]) -> list[tuple[Location, str, bool]]:
    """(location, message, whether at the key) for arguments that *action* cannot take.

    What an expression will yield is not known before a run, so those values are left to the rendering.
    """
    try:
        action.arguments.model_validate(arguments)
    except ValidationError as error:
        found = []
        for one in error.errors():
            loc: Location = tuple(one["loc"])
            if has_template(_value_at(arguments, loc)):
                continue
            match one["type"]:
                case "extra_forbidden":
                    near = suggest(str(loc[-1]), action.arguments.model_fields)
                    found.append((loc, f"{action.name} takes no argument {loc[-1]!r}{near}", True))
                case "missing":
                    found.append((loc[:-1], f"{action.name} needs the argument {loc[-1]!r}", False))
                case "literal_error":
                    wanted = str(one["ctx"]["expected"])
                    near = suggest(str(one["input"]), re.findall(r"'([^']*)'", wanted))
                    found.append((loc, f"{loc[-1]}: {one['input']!r} is none of {wanted}{near}", False))
                case _:
                    message = one["msg"].removeprefix("Value error, ")
                    found.append((loc, f"{loc[-1] if loc else action.name}: {message}", False))
        return found
    return []


def _value_at(arguments: object, loc: Location) -> object:
    value = arguments
    for part in loc:
        # The value at a missing key is unknown, not an expression.
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
