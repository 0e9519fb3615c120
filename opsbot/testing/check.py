"""What a test file's shape cannot say: that it fits its runbook. Each mistake is reported where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsbot.expression import Location
from opsbot.rule.loader import load_rule_file
from opsbot.runbook.action import Action, ActionRegistry
from opsbot.runbook.model import Runbook, Step
from opsbot.runbook.preparing import needed_approval
from opsbot.runbook.wire import why_unfit
from opsbot.testing.doings import DecisionField, SettleField, SkipField
from opsbot.testing.notation import labels_of
from opsbot.testing.wire import (
    EVERY,
    NOT_STARTED,
    CallField,
    Expectation,
    MockField,
    SeriesField,
    TestField,
    TestFile,
)
from opsbot.yamlfile import Document, Problem, suggest


def check(
    file: TestFile, document: Document, runbook: Runbook, registry: ActionRegistry, folder: Path
) -> list[Problem]:
    """Every problem of the meaning of *file*, whose paths begin at *folder*."""
    checker = _Checker(document, runbook, registry, folder)
    checker.series(("input_series",), file.input_series)
    checker.mocks(("mock",), file.mock)
    names: set[str] = set()
    for index, test in enumerate(file.tests):
        at: Location = ("tests", index)
        if test.name in names:
            checker.add((*at, "name"), f"two tests have the name {test.name!r}; rename one of them")
        names.add(test.name)
        checker.test(at, test)
    return checker.problems


class _Checker:
    def __init__(self, document: Document, runbook: Runbook, registry: ActionRegistry, folder: Path) -> None:
        self._document = document
        self._runbook = runbook
        self._registry = registry
        self._folder = folder
        self._steps = {step.step_id: step for step in runbook.all_steps}
        self.problems: list[Problem] = []

    def add(self, loc: Location, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._document.problem(loc, message, at_key=at_key))

    def test(self, at: Location, test: TestField) -> None:
        self.series((*at, "input_series"), test.input_series)
        self.mocks((*at, "mock"), test.mock)
        self._rules(at, test)
        self._inputs(at, test)
        for kind in ("approve", "deny", "object", "go_now", "capacity"):
            for index, one in enumerate(getattr(test, kind)):
                self._decision((*at, kind, index), kind, one)
        for index, left_out in enumerate(test.skip):
            self._skip((*at, "skip", index), left_out)
        for index, word in enumerate(test.settle):
            self._settle((*at, "settle", index), word)
        for step_id in test.crash_after:
            if step_id != EVERY:
                self._step((*at, "crash_after"), step_id)
        self._expected((*at, "expect"), test.expect)

    def series(self, at: Location, fields: Sequence[SeriesField]) -> None:
        seen = set()
        for index, one in enumerate(fields):
            labels = labels_of(one.series)
            if labels in seen:
                self.add((*at, index, "series"), f"the series {one.series} is here twice")
            seen.add(labels)

    def mocks(self, at: Location, mocks: Mapping[str, MockField]) -> None:
        for step_id, mock in mocks.items():
            step = self._step((*at, step_id), step_id, at_key=True)
            if step is None:
                continue
            action = self._action_of(step, step_id)
            if action is None:
                continue
            self._call((*at, step_id), mock, action)
            for index, call in enumerate(mock.then):
                self._call((*at, step_id, "then", index), call, action)

    def _call(self, at: Location, call: CallField, action: Action[Any]) -> None:
        self.series((*at, "sets"), call.sets)
        self.series((*at, "sets_when_released"), call.sets_when_released)
        for name in call.outputs:
            if name not in action.output_names():
                near = suggest(name, action.output_names())
                self.add((*at, "outputs", name), f"{action.name} yields no output {name!r}{near}", at_key=True)
        for place, message in _unfit(action, call.outputs):
            self.add((*at, "outputs", *place), message)
        if action.is_read_only and call.prior:
            self.add((*at, "prior"), f"{action.name} only reads; nothing is read before it", at_key=True)
        if not action.takes_lease:
            for key, value in (
                ("release_error", call.release_error),
                ("sets_when_released", call.sets_when_released or None),
            ):
                if value is not None:
                    self.add((*at, key), f"{action.name} takes no lease, so nothing is released", at_key=True)

    def _rules(self, at: Location, test: TestField) -> None:
        if test.rules is None:
            return
        if test.alert is not None:
            self.add((*at, "alert"), "the alert comes from `rules`; leave one of the two out", at_key=True)
        path = self._folder / test.rules
        if not path.is_file():
            self.add((*at, "rules"), f"there is no file {path}")
            return
        problems = load_rule_file(path)[1]
        if problems:
            self.add((*at, "rules"), f"these rules cannot be used: {problems[0]}")

    def _inputs(self, at: Location, test: TestField) -> None:
        known = {one.name: one for one in self._runbook.inputs}
        for name, value in test.inputs.items():
            place = (*at, "inputs", name)
            if name not in known:
                self.add(place, f"the runbook has no input {name!r}{suggest(name, known)}", at_key=True)
            elif known[name].is_immutable and value != known[name].default:
                self.add(place, f"nobody may give another {name} than {known[name].default!r}: it is immutable")
            elif wrong := why_unfit(known[name], value):
                self.add(place, f"{name}: {wrong}")
        if test.inputs and not test.requester:
            self.add((*at, "inputs"), "only a person gives inputs: say who with `requester: …`", at_key=True)
        missing = [name for name, one in known.items() if one.default is None and name not in test.inputs]
        if test.requester and missing:
            self.add((*at, "requester"), f"whoever asks for this run must give the input {missing[0]!r}")

    def _decision(self, at: Location, kind: str, decision: DecisionField) -> None:
        step = self._step((*at, "step"), decision.step)
        if step is None:
            return
        if kind in ("approve", "deny"):
            if not self._is_asked(step):
                self.add((*at, "step"), f"nobody is asked to approve step {decision.step}")
        elif step.announce is None:
            self.add((*at, "step"), f"step {decision.step} is not announced, so nobody can {_VERBS[kind]}")
        elif kind == "capacity" and not step.announce.calls_for_capacity:
            self.add((*at, "step"), f"the announcement of step {decision.step} asks for no capacity")

    def _skip(self, at: Location, skip: SkipField) -> None:
        step = self._step((*at, "step"), skip.step)
        if step is None or skip.at is not None:
            return
        if step.announce is None and not self._is_asked(step):
            self.add((*at, "step"), f"nobody is asked about step {skip.step}: say when it is left out with `at: …`")

    def _settle(self, at: Location, word: SettleField) -> None:
        step = self._step((*at, "step"), word.step)
        if step is not None and self._registry.get(step.uses).is_read_only:
            self.add((*at, "step"), f"{step.uses} only reads; what came of it is never unknown")

    def _is_asked(self, step: Step) -> bool:
        action = self._registry.get(step.uses)
        return not action.is_read_only and needed_approval(self._runbook, step, action) is not None

    def _expected(self, at: Location, expect: Expectation) -> None:
        for section in ("steps", "outputs"):
            for step_id in getattr(expect, section):
                self._step((*at, section, step_id), step_id, at_key=True)
        for index, call in enumerate(expect.calls or ()):
            step = self._step((*at, "calls", index, "step"), call.step)
            if step is not None:
                self._expected_call((*at, "calls", index), step, call.step, call.action)
        for index, step_id in enumerate(expect.undone or ()):
            self._step((*at, "undone", index), step_id)
        for index, one in enumerate(expect.approvals or ()):
            self._step((*at, "approvals", index, "step"), one.step)
        if expect.state == NOT_STARTED:
            others = expect.model_fields_set - {"state", "incident", "messages", "no_messages"}
            for name in sorted(others):
                self.add((*at, name), f"a run that is not started has no {name}", at_key=True)

    def _expected_call(self, at: Location, step: Step, step_id: str, wanted: str | None) -> None:
        action = self._action_of(step, step_id)
        if action is not None and action.is_read_only:
            self.add((*at, "step"), f"{action.name} only reads; `calls` are those that change something")
        if action is not None and wanted is not None and wanted != action.name:
            self.add((*at, "action"), f"step {step_id} uses {action.name}, not {wanted!r}")

    def _action_of(self, step: Step, step_id: str) -> Action[Any] | None:
        uses = step.undo.uses if step.undo is not None and step_id.endswith(".undo") else step.uses
        return self._registry.find(uses)

    def _step(self, loc: Location, step_id: str, *, at_key: bool = False) -> Step | None:
        base = step_id.removesuffix(".undo").partition("[")[0]
        step = self._steps.get(base)
        if step is None:
            self.add(loc, f"the runbook has no step {base!r}{suggest(base, self._steps)}", at_key=at_key)
        elif "[" in step_id and step.foreach is None:
            self.add(loc, f"step {base} has no `foreach`, so no items", at_key=at_key)
        elif step_id.endswith(".undo") and step.undo is None:
            self.add(loc, f"step {base} has no `undo`", at_key=at_key)
        else:
            return step
        return None


_VERBS = {"object": "object", "go_now": "make it go now", "capacity": "offer capacity"}


def _unfit(action: Action[Any], outputs: Mapping[str, object]) -> list[tuple[Location, str]]:
    try:
        action.outputs.model_validate(outputs)
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["type"] not in ("missing", "extra_forbidden")]
        return [(tuple(one["loc"]), f"{one['loc'][-1]}: {one['msg'].lower()}, not {one['input']!r}") for one in wrong]
    return []
