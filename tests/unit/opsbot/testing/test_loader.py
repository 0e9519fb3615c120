"""A test file that is wrong is refused as a whole, each mistake with its place and what to do."""

# ruff: noqa: E501  (a message stands in one piece, as it is printed)

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.testing.loader import find_tests
from tests.support.runbook_tests import HEAD, RUNBOOK, failures, problems, write

GOOD = "  - {name: one, expect: {state: cancelled}}\n"

BROKEN = {
    "an unknown key": (
        "  - {name: one, expct: {state: failed}}\n",
        [
            "relief.test.yaml:11:5: the key 'expect' is missing",
            "relief.test.yaml:11:17: unknown key 'expct', did you mean 'expect'?",
        ],
    ),
    "nothing is expected": (
        "  - {name: one, expect: {}}\n",
        ["relief.test.yaml:11:25: expect: nothing is expected, so the test could not fail"],
    ),
    "an unknown state": (
        "  - {name: one, expect: {state: succeded}}\n",
        [
            "relief.test.yaml:11:33: state: 'succeded' is none of not_started, queued, running, waiting, holding, undoing, finishing, succeeded, failed, undone, cancelled, needs_person, did you mean 'succeeded'?"
        ],
    ),
    "an unknown step": (
        "  - {name: one, expect: {steps: {resise: failed}}}\n",
        ["relief.test.yaml:11:34: the runbook has no step 'resise', did you mean 'resize'?"],
    ),
    "a mock of an unknown step": (
        "  - {name: one, mock: {resise: {}}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:24: the runbook has no step 'resise', did you mean 'resize'?"],
    ),
    "an unknown output": (
        "  - {name: one, mock: {resize: {outputs: {limt: 3}}}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:43: serving.set_batch yields no output 'limt', did you mean 'limit'?"],
    ),
    "an output of another type": (
        "  - {name: one, mock: {resize: {outputs: {limit: many}}}, expect: {state: failed}}\n",
        [
            "relief.test.yaml:11:50: limit: input should be a valid integer, unable to parse string as an integer, not 'many'"
        ],
    ),
    "values that are none": (
        "  - name: one\n    input_series: [{series: up, values: 1 2 x3}]\n    expect: {state: failed}\n",
        ["relief.test.yaml:12:41: values: 'x3' is no value; write numbers, 0x5, 1+2x10, _ or stale"],
    ),
    "a series that is none": (
        "  - name: one\n    input_series: [{series: sum(up), values: 1}]\n    expect: {state: failed}\n",
        ["relief.test.yaml:12:29: series: 'sum(up)' is no series; write name{label=\"value\"}"],
    ),
    "a series twice": (
        "  - name: one\n    input_series: [{series: up, values: 1}, {series: up, values: 2}]\n    expect: {state: failed}\n",
        ["relief.test.yaml:12:54: the series up is here twice"],
    ),
    "an approval nobody is asked for": (
        "  - {name: one, approve: [{step: restart}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:34: nobody is asked to approve step restart"],
    ),
    "an objection to what is not announced": (
        "  - {name: one, object: [{step: resize}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:33: step resize is not announced, so nobody can object"],
    ),
    "a step left out that nobody is asked about": (
        "  - {name: one, skip: [{step: read}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:31: nobody is asked about step read: say when it is left out with `at: …`"],
    ),
    "a word about what only reads": (
        "  - {name: one, settle: [{step: read, happened: true}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:33: prometheus.query only reads; what came of it is never unknown"],
    ),
    "a word that does not say whether": (
        "  - {name: one, settle: [{step: restart}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:26: the key 'happened' is missing"],
    ),
    "a pause that ends before it begins": (
        "  - {name: one, pause: {at: 2m, until: 1m}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:24: pause: `until` must be later than `at`"],
    ),
    "no readings": (
        "  - {name: one, mock: {resize: {prior: []}}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:40: prior: an empty list says nothing; leave `prior` out, or give a reading"],
    ),
    "both at and after": (
        "  - {name: one, approve: [{step: resize, at: 1m, after: 1m}], expect: {state: failed}}\n",
        ["relief.test.yaml:11:27: approve: say either `at` or `after`, not both"],
    ),
    "a bare number": (
        "  - {name: one, resolve: 10, expect: {state: failed}}\n",
        ["relief.test.yaml:11:26: resolve: a duration such as 30s, 5m or 1h30m is needed, not 10"],
    ),
    "inputs without a person": (
        "  - {name: one, inputs: {limit: 3}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:17: only a person gives inputs: say who with `requester: …`"],
    ),
    "an input that does not fit": (
        "  - {name: one, requester: ana, inputs: {limit: 0, fixd: 1}, expect: {state: failed}}\n",
        [
            "relief.test.yaml:11:49: limit: 0 is less than min 1",
            "relief.test.yaml:11:52: the runbook has no input 'fixd', did you mean 'fixed'?",
        ],
    ),
    "an immutable input": (
        "  - {name: one, requester: ana, inputs: {fixed: 2}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:49: nobody may give another fixed than 1: it is immutable"],
    ),
    "another action than the step's": (
        "  - {name: one, expect: {calls: [{step: resize, action: serving.shed}]}}\n",
        ["relief.test.yaml:11:57: step resize uses serving.set_batch, not 'serving.shed'"],
    ),
    "a call of what only reads": (
        "  - {name: one, expect: {calls: [{step: read}]}}\n",
        ["relief.test.yaml:11:41: prometheus.query only reads; `calls` are those that change something"],
    ),
    "a pattern that is none": (
        "  - {name: one, expect: {messages: [/a(/]}}\n",
        ["relief.test.yaml:11:37: messages: '/a(/' is no pattern: missing ), unterminated subpattern at position 1"],
    ),
    "an item of a step without foreach": (
        "  - {name: one, crash_after: 'resize[0]', expect: {state: failed}}\n",
        ["relief.test.yaml:11:30: step resize has no `foreach`, so no items"],
    ),
    "an undo of a step without one": (
        "  - {name: one, mock: {resize.undo: {}}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:24: step resize has no `undo`"],
    ),
    "rules that are not there": (
        "  - {name: one, rules: rules.yaml, expect: {state: failed}}\n",
        ["relief.test.yaml:11:24: there is no file rules.yaml"],
    ),
    "a name twice": (
        "  - {name: one, expect: {state: cancelled}}\n  - {name: one, expect: {state: cancelled}}\n",
        ["relief.test.yaml:12:12: two tests have the name 'one'; rename one of them"],
    ),
    "what a run that is not started has": (
        "  - {name: one, expect: {state: not_started, calls: []}}\n",
        ["relief.test.yaml:11:46: a run that is not started has no calls"],
    ),
    "a release of what holds nothing": (
        "  - {name: one, mock: {restart: {release_error: refused}}, expect: {state: failed}}\n",
        ["relief.test.yaml:11:34: serving.restart takes no lease, so nothing is released"],
    ),
}


@pytest.mark.parametrize(("tests", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_mistake_is_told_with_its_place(tests: str, expected: list[str], tmp_path: Path) -> None:
    """file:line:column: message."""
    assert problems(tmp_path, tests) == expected


def test_a_file_without_a_mistake_has_no_problem(tmp_path: Path) -> None:
    """What is refused above is refused for its mistake."""
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("runbook", "message"),
    [
        ("nowhere.yaml", "there is no runbook nowhere.yaml"),
        ("relieve", "no runbook in FOLDER has the id 'relieve', did you mean 'relief'?"),
        ("bad.yaml", "its runbook cannot be used: bad.yaml:1:1: the key 'id' is missing"),
    ],
)
def test_the_runbook_must_be_there_and_right(runbook: str, message: str, tmp_path: Path) -> None:
    """It is named by its file or its id."""
    (tmp_path / "bad.yaml").write_text("version: 1\n")
    found = problems(tmp_path, GOOD, HEAD.replace("version: 1\n", f"version: 1\nrunbook: {runbook}\n"))
    assert [problem.replace(str(tmp_path), "FOLDER") for problem in found] == [f"relief.test.yaml:2:10: {message}"]


def test_a_runbook_is_found_by_its_id(tmp_path: Path) -> None:
    """Among the runbooks of the folder."""
    head = HEAD.replace("version: 1\n", "version: 1\nrunbook: relief\n")
    assert failures(tmp_path, "  - {name: one, expect: {state: cancelled}}\n", RUNBOOK, head) == [()]


def test_tests_are_found_by_folder_by_file_and_by_runbook(tmp_path: Path) -> None:
    """A runbook without tests is told so."""
    path = write(tmp_path, GOOD)
    alone = tmp_path / "alone.yaml"
    alone.write_text(RUNBOOK)
    for given in (tmp_path, path, tmp_path / "relief.yaml"):
        assert find_tests([given]) == ((path,), [])
    (problem,) = find_tests([alone])[1]
    assert problem.message == "there is no alone.test.yaml beside it"
    (problem,) = find_tests([tmp_path / "none.yaml"])[1]
    assert problem.message == "no such file or folder"
