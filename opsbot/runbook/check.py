"""What a runbook's shape cannot say: that its actions, arguments, names and queries make sense together.

Runs on every load; each mistake is reported at the line and column where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from opsbot.expression import Expression, ExpressionError, Location, Variables, compile_value, has_template
from opsbot.promql.syntax import QueryError
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.model import Runbook, Share, Step
from opsbot.runbook.probe import promql_fields
from opsbot.runbook.query import TemplateError, compile_query
from opsbot.runbook.scope import result_variables, variables
from opsbot.runbook.sense import compares, unknown_states
from opsbot.value_words import message
from opsbot.yamlfile import Document, Problem, format_duration, suggest


def check(runbook: Runbook, document: Document, registry: ActionRegistry) -> list[Problem]:
    """Every problem of the meaning of *runbook*, which was read from *document*."""
    checker = _Checker(document, registry, runbook)
    checker.head()
    seen: set[str] = set()
    for section, steps in (("steps", runbook.steps), ("finally", runbook.finals)):
        for index, step in enumerate(steps):
            at: Location = (section, index)
            if step.step_id in seen:
                checker.add((*at, "id"), f"two steps have the id {step.step_id!r}; rename one of them")
            seen.add(step.step_id)
            checker.step(at, step, variables(runbook, step, registry))
            if section == "finally":
                checker.final(at, step)
    return checker.problems


class _Checker:
    def __init__(self, document: Document, registry: ActionRegistry, runbook: Runbook) -> None:
        self._document = document
        self._registry = registry
        self._runbook = runbook
        self.problems: list[Problem] = []

    def add(self, loc: Location, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._document.problem(loc, message, at_key=at_key))

    def head(self) -> None:
        runbook = self._runbook
        is_for_alerts = any(one.match or one.matchers for one in runbook.triggers)
        for one in runbook.inputs:
            if one.default is None and is_for_alerts:
                self.add(("inputs", one.name), f"an alert cannot give {one.name!r}: it needs a default", at_key=True)
        self._hold()
        group = runbook.concurrency.group
        if group is not None:
            self._templates(("concurrency", "group"), group, variables(runbook, None, self._registry))

    def _hold(self) -> None:
        runbook, hold = self._runbook, self._runbook.hold
        if hold is None or hold.input_name is None:
            return
        field = next((one for one in runbook.inputs if one.name == hold.input_name), None)
        if field is None:
            known = suggest(hold.input_name, [one.name for one in runbook.inputs])
            self.add(("hold",), f"there is no input {hold.input_name!r}{known}")
        elif field.type != "string":
            self.add(("hold",), f"the input {field.name} is of type {field.type}; a length is a string such as 10m")
        elif field.default is not None:
            try:
                runbook.hold_s({})
            except ValueError as error:
                self.add(("inputs", field.name, "default"), f"it says how long the run holds: {error}")

    def final(self, at: Location, step: Step) -> None:
        action = self._registry.find(step.uses)
        if action is not None and action.takes_lease:
            self.add((*at, "uses"), f"{action.name} sets a lease, and nobody would give it back after `finally`")
        elif action is not None and self._runbook.mode == "suggest" and not (action.is_read_only or action.only_tells):
            why = "this runbook asks before every change, and at its end nobody is asked"
            self.add((*at, "uses"), f"{action.name} would never be made: {why}; use `mode: auto` or a step before")
        # Of a step that only reads, the first two were refused already.
        is_told = action is not None and action.is_read_only
        for key, value in (("approval", step.approval), ("announce", step.announce), ("verify", step.verify)):
            if value is not None and (key == "verify" or not is_told):
                why = "nothing would follow from it" if key == "verify" else "nobody may be there to decide"
                self.add((*at, key), f"a step under `finally` takes no {key}: {why}; leave this out", at_key=True)

    def step(self, at: Location, step: Step, names: Variables) -> None:
        action = self._action(at, step.uses, step.arguments, names)
        outside = {name: kind for name, kind in names.items() if name != "item"}
        if step.condition is not None:
            self._condition((*at, "if"), step.condition, outside)
        self._each(at, step, outside)
        if step.verify is not None:
            if step.verify.for_s >= step.verify.timeout_s:
                limit = format_duration(step.verify.timeout_s)
                self.add((*at, "verify", "for"), f"it must be shorter than the verification's timeout of {limit}")
            self._query((*at, "verify", "expr"), step.verify.expr, names)
            self._compares((*at, "verify", "expr"), step.verify.expr)
        if step.announce is not None:
            self._templates((*at, "announce", "message"), step.announce.message, outside)
        self._approval(at, step)
        if action is not None:
            self._fits_action(at, step, action)
            self._has_time(at, step, action)
        if step.undo is not None and not (action and action.is_read_only):
            undo = self._action((*at, "undo"), step.undo.uses, step.undo.arguments, self._undo_names(step, names))
            if undo is not None and (undo.is_read_only or undo.takes_lease):
                why = "only reads" if undo.is_read_only else "sets a lease, which would itself have to be undone"
                self.add((*at, "undo", "uses"), f"{undo.name} cannot undo anything: it {why}")

    def _undo_names(self, step: Step, names: Variables) -> Variables:
        return {**names, **result_variables(step, self._registry)}

    def _each(self, at: Location, step: Step, names: Variables) -> None:
        if step.foreach is not None:
            expression = self._compiled((*at, "foreach"), step.foreach, names)
            if expression is not None and not expression.can_be_list:
                self.add((*at, "foreach"), f"`{step.foreach}` is not a list; take one, such as `fleet.clusters`")
        elif step.stages:
            self.add((*at, "stages"), "only a step with `foreach` has stages; leave this out", at_key=True)
        self._stages(at, step)
        if step.foreach is not None and step.outputs:
            why = "a step with `foreach` has the one output `items`; leave this out"
            self.add((*at, "outputs"), why, at_key=True)
        action = self._registry.find(step.uses)
        for name, text in step.outputs.items():
            if action is not None and name in action.output_names():
                why = f"{action.name} yields {name!r} itself; take another name"
                self.add((*at, "outputs", name), why, at_key=True)
            self._compiled((*at, "outputs", name), text, {**names, **result_variables(step, self._registry)})

    def _stages(self, at: Location, step: Step) -> None:
        for is_percent in (False, True):
            alike = [(index, one.amount) for index, one in enumerate(step.stages) if one.is_percent is is_percent]
            for (_, earlier), (index, later) in pairwise(alike):
                if later <= earlier:
                    self.add((*at, "stages", index), "each stage must reach further than the one before")
        if step.stages and step.stages[-1] != Share(100, is_percent=True):
            last = (*at, "stages", len(step.stages) - 1)
            self.add(last, "the last stage must be `100%`, or some items are never reached")

    def _approval(self, at: Location, step: Step) -> None:
        approval = step.approval
        if approval is None:
            return
        if approval.on_timeout == "proceed" and approval.count > 1:
            why = f"nobody's silence can stand for {approval.count} people; leave out `count`, or write `abort`"
            self.add((*at, "approval", "on_timeout"), why)
        if not approval.roles:
            self.add((*at, "approval", "from"), "name at least one role")
        for index, role in enumerate(approval.roles):
            if role in approval.roles[:index]:
                self.add((*at, "approval", "from", index), f"the role {role!r} is here twice; keep one of them")

    def _fits_action(self, at: Location, step: Step, action: Action[Any]) -> None:
        if action.takes_lease and step.lease_s is None:
            self.add((*at, "uses"), f"{action.name} sets a lease: say how long it lives unrenewed, e.g. `lease: 60s`")
        if not action.takes_lease and step.lease_s is not None:
            self.add((*at, "lease"), f"{action.name} sets no lease; leave this out", at_key=True)
        if step.lease_s is not None and not 5 <= step.lease_s <= 3600:
            self.add((*at, "lease"), "a lease lives between 5s and 1h without renewal; take a time in between")
        if not action.is_read_only:
            return
        for key, value in (("approval", step.approval), ("undo", step.undo), ("announce", step.announce)):
            if value is not None:
                what = "announcement" if key == "announce" else key
                self.add((*at, key), f"{action.name} only reads and needs no {what}; leave this out", at_key=True)

    def _has_time(self, at: Location, step: Step, action: Action[Any]) -> None:
        """A call that is known to last longer than the step allows can only break."""
        try:
            needed_s = action.needs_s(action.arguments.model_validate(step.arguments))
        except ValidationError:
            return
        if needed_s and needed_s >= step.timeout_s:
            needed = format_duration(needed_s)
            self.add((*at, "timeout"), f"{action.name} takes {needed} or more: give the step a longer `timeout`")

    def _action(self, at: Location, uses: str, arguments: Mapping[str, object], names: Variables) -> Action[Any] | None:
        action = self._registry.find(uses)
        queries = promql_fields(action.arguments) if action is not None else frozenset[str]()
        _, mistakes = compile_value({key: one for key, one in arguments.items() if key not in queries}, names)
        for loc, error in mistakes:
            self._expression((*at, "with", *loc), error)
        if action is None:
            self.add((*at, "uses"), f"unknown action {uses!r}{suggest(uses, self._registry.names())}")
            return None
        for key in queries & arguments.keys():
            if has_template(arguments[key]):
                self._query((*at, "with", key), str(arguments[key]), names)
        for problem_loc, text, at_key in argument_problems(action, arguments):
            # Without `with` there is no place for what is missing in it.
            place = (*at, "with", *problem_loc) if arguments or problem_loc else (*at, "uses")
            self.add(place, text, at_key=at_key)
        return action

    def _condition(self, at: Location, text: str, names: Variables) -> None:
        expression = self._compiled(at, text, names)
        for sentence in unknown_states(text):
            self.add(at, sentence)
        if expression is not None and not expression.can_be_boolean:
            self.add(at, f"`{text}` is neither true nor false; compare it with something")

    def _compares(self, at: Location, expr: str) -> None:
        if not compares(expr):
            self.add(at, "it always holds while there is data: compare with something, such as `… == 0`")

    def _compiled(self, at: Location, text: str, names: Variables) -> Expression | None:
        try:
            return Expression.compile(text, names)
        except ExpressionError as error:
            self._expression(at, error)
            return None

    def _templates(self, at: Location, text: str, names: Variables) -> None:
        for _, error in compile_value(text, names)[1]:
            self._expression(at, error)

    def _query(self, at: Location, text: str, names: Variables) -> None:
        try:
            compile_query(text, names)
        except ExpressionError as error:
            self._expression(at, error)
        except TemplateError as error:
            self.problems.append(self._within(at, error.part, 0, str(error)) or self._document.problem(at, str(error)))
        except QueryError as error:
            self.add(at, str(error))

    def _expression(self, at: Location, error: ExpressionError) -> None:
        why = self._why_unknown(at, error.name)
        text = f"undefined name {error.name!r}: {why}" if why else str(error)
        if not error.text.strip():
            self.add(at, text)
            return
        placed = self._within(at, error.text, error.column - 1, text) if error.line == 1 else None
        if placed is not None:
            self.problems.append(placed)
            return
        line = f"line {error.line}, " if error.line > 1 else ""
        self.add(at, f"in the expression, at {line}character {error.column}: {text}")

    def _within(self, at: Location, part: str, offset: int, text: str) -> Problem | None:
        """A problem at *offset* of *part* of the text at *at*; None where that place is not known."""
        value = self._document.value(at)
        start = value.find(part) if isinstance(value, str) and part else -1
        return self._document.within(at, start + offset, text) if start >= 0 else None

    def _why_unknown(self, at: Location, name: str) -> str:
        """Why a name that is known in other places is not known here; empty for one that nobody knows."""
        section, index = at[0], at[1] if len(at) > 1 else None
        if section not in ("steps", "finally") or not isinstance(index, int):
            return ""
        step = (self._runbook.steps if section == "steps" else self._runbook.finals)[index]
        if name == "item":
            is_each = step.foreach is not None
            return f"`{at[2]}` is asked once for all items" if is_each else "only a step with `foreach` has one"
        later = {one.step_id for one in self._runbook.all_steps} - {one.step_id for one in self._runbook.before(step)}
        found = re.match(r"steps\.(\w+)\.", name)
        return f"step {found[1]!r} is not made before this one" if found and found[1] in later else ""


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
                case _:
                    found.append((loc, f"{loc[-1] if loc else action.name}: {message(one)}", False))
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
