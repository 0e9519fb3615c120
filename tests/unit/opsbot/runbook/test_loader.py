"""Runbook files: what is accepted, and where and how mistakes are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from opsbot.errors import ConfigError
from opsbot.runbook.action_schema import runbook_schema
from opsbot.runbook.loader import check_runbooks, pinned_runbook
from opsbot.runbook.model import Approval, Verify
from opsbot.runbook.wire import RunbookFile
from tests.support.runbooks import problems_of, registry, runbook

GOOD = """\
version: 1
id: kv
name: Relieve the cache
owner: oncall
mode: suggest
triggers:
  - type: alert
    match: {alertname: KVCachePressure}
inputs:
  batch_limit: {type: integer, default: 8, min: 1, max: 256}
steps:
  - id: usage
    name: Read
    uses: prometheus.query
    with:
      query: max(up)
  - id: resize
    name: Resize the batch
    uses: serving.set_batch
    with:
      limit: ${{ inputs.batch_limit }}
      mode: preempt
    if: steps.usage.outputs.value > 0.5
    lease: 60s
    approval: {from: responder, timeout: 10m, reason: Slower.}
    verify: {expr: up == 1, for: 3s, timeout: 45s}
"""

MISTAKES = {
    "unknown action": (
        "serving.set_batch",
        "serving.sed_batch",
        "runbook.yaml:19:11: unknown action 'serving.sed_batch', did you mean 'serving.set_batch'?",
    ),
    "unknown argument": (
        "mode: preempt",
        "mod: preempt",
        "runbook.yaml:22:7: serving.set_batch takes no argument 'mod', did you mean 'mode'?",
    ),
    "wrong choice": (
        "mode: preempt",
        "mode: preemt",
        "runbook.yaml:22:13: mode: 'preemt' is none of 'finish' or 'preempt', did you mean 'preempt'?",
    ),
    "missing argument": (
        "limit: ${{ inputs.batch_limit }}\n",
        "\n",
        "runbook.yaml:22:7: serving.set_batch needs the argument 'limit'",
    ),
    "wrong type": (
        "${{ inputs.batch_limit }}",
        "many",
        "runbook.yaml:21:14: limit: a whole number is needed, not 'many'",
    ),
    "undefined input": (
        "inputs.batch_limit }}",
        "inputs.batch_limt }}",
        "runbook.yaml:21:18: undefined name 'inputs.batch_limt', did you mean 'inputs.batch_limit'?",
    ),
    "undefined output": (
        "outputs.value",
        "outputs.valu",
        "runbook.yaml:23:9: undefined name 'steps.usage.outputs.valu', did you mean 'steps.usage.outputs.value'?",
    ),
    "a later step's output": (
        "query: max(up)",
        "query: max(up)\n    if: steps.resize.outputs.limit > 1",
        "runbook.yaml:17:9: undefined name 'steps.resize.outputs.limit': step 'resize' is not made before this one",
    ),
    "condition that is none": (
        "if: steps.usage.outputs.value > 0.5",
        "if: alert.name",
        "runbook.yaml:23:9: `alert.name` is neither true nor false",
    ),
    "bad PromQL in an argument": (
        "query: max(up)",
        "query: maxx(up)",
        "runbook.yaml:16:14: query: the function 'maxx' is not supported, did you mean 'max'?",
    ),
    "bad PromQL in a verification": (
        "expr: up == 1",
        "expr: up ==",
        "runbook.yaml:26:20: expr: not valid PromQL: something must follow `==`",
    ),
    "same id twice": (
        "id: resize",
        "id: usage",
        "runbook.yaml:17:9: two steps have the id 'usage'; rename one of them",
    ),
    "no lease": (
        "    lease: 60s\n",
        "",
        "runbook.yaml:19:11: serving.set_batch sets a lease: say how long it lives unrenewed, e.g. `lease: 60s`",
    ),
    "lease too short": (
        "lease: 60s",
        "lease: 1s",
        "runbook.yaml:24:12: a lease lives between 5s and 1h without renewal",
    ),
    "lease where none is taken": (
        "query: max(up)",
        "query: max(up)\n    lease: 60s",
        "runbook.yaml:17:5: prometheus.query sets no lease; leave this out",
    ),
    "undo of a question": (
        "query: max(up)",
        "query: max(up)\n    undo: {uses: serving.set_batch, with: {limit: 1}}",
        "runbook.yaml:17:5: prometheus.query only reads and needs no undo; leave this out",
    ),
    "undo that would need an undo": (
        "lease: 60s",
        "lease: 60s\n    undo: {uses: serving.set_batch, with: {limit: 1}}",
        "runbook.yaml:25:18: serving.set_batch cannot undo anything: "
        "it sets a lease, which would itself have to be undone",
    ),
    "verification that cannot end": (
        "for: 3s, timeout: 45s",
        "for: 45s, timeout: 45s",
        "runbook.yaml:26:34: it must be shorter than the verification's timeout of 45s",
    ),
    "default outside its limits": (
        "default: 8",
        "default: 300",
        "runbook.yaml:10:41: default: 300 is more than max 256",
    ),
    "default of another type": (
        "default: 8,",
        "default: true,",
        "runbook.yaml:10:41: default: true is no integer",
    ),
    "bare duration": (
        "lease: 60s",
        "lease: 60",
        "runbook.yaml:24:12: lease: a duration such as 30s, 5m or 1h30m is needed, not 60",
    ),
    "unknown key": (
        "owner: oncall",
        "owner: oncall\nownr: me",
        "runbook.yaml:5:1: unknown key 'ownr', did you mean 'owner'?",
    ),
    "unknown mode": (
        "mode: suggest",
        "mode: sugest",
        "runbook.yaml:5:7: mode: 'sugest' is none of 'observe', 'suggest' or 'auto', did you mean 'suggest'?",
    ),
    "alert trigger without match": (
        "    match: {alertname: KVCachePressure}\n",
        "",
        "runbook.yaml:7:5: triggers: an alert trigger needs `match`",
    ),
    "an id that cannot stand in a run's id": ("id: kv", "id: a:b", "runbook.yaml:2:5: id: "),
}


def test_a_good_runbook_becomes_values() -> None:
    """Durations are seconds, and every part finds its place."""
    loaded = runbook(GOOD)
    step = loaded.step("resize")
    assert step.lease_s == 60.0
    assert step.timeout_s == 30.0
    assert step.approval == Approval(("responder",), timeout_s=600.0, reason="Slower.")
    assert step.verify == Verify(expr="up == 1", for_s=3.0, timeout_s=45.0, means="")
    assert loaded.timeout_s == 3600.0
    assert loaded.on_failure == "rollback"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_where_it_stands(name: str) -> None:
    """Each mistake yields its message at its line and column."""
    old, new, expected = MISTAKES[name]
    assert old in GOOD
    (found,) = problems_of(GOOD.replace(old, new, 1))
    assert found.startswith(expected)


def test_all_mistakes_are_reported_at_once() -> None:
    """Nobody has to fix one mistake to see the next, in the order of lines."""
    text = GOOD.replace("max(up)", "maxx(up)").replace("outputs.value", "outputs.valu").replace("preempt", "preemt")
    assert [problem.split(":")[1] for problem in problems_of(text)] == ["16", "22", "23"]


def test_a_pinned_runbook_reads_as_it_was() -> None:
    """What a run is pinned to yields the same value, whatever happens to the file."""
    loaded = runbook(GOOD)
    assert pinned_runbook(loaded.source_json, loaded.revision) == loaded


def test_a_pinned_runbook_that_is_too_new_is_refused() -> None:
    """A revision that this version cannot read is an error that names it."""
    newer = json.dumps({**json.loads(runbook(GOOD).source_json), "version": 2})
    with pytest.raises(ConfigError, match="pinned runbook revision abcdef"):
        pinned_runbook(newer, "abcdef")


def test_two_files_with_one_id_are_reported(tmp_path: Path) -> None:
    """The second file of an id is named together with the first."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    (problem,) = check_runbooks([tmp_path], registry())
    assert str(problem) == f"{tmp_path}/b.yml:2:5: the id 'kv' is already used by {tmp_path}/a.yaml; take another one"


def test_a_path_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    """A misspelt folder is not an empty one."""
    (problem,) = check_runbooks([tmp_path / "runboks"], registry())
    assert problem.message == "no such file or folder"


def test_the_shipped_runbooks_are_right() -> None:
    """Every runbook in this repository loads without a problem."""
    folder = Path(__file__).parents[4] / "runbooks"
    assert check_runbooks([folder], registry()) == []
    assert list(folder.glob("*.yaml"))


def test_the_schema_checks_arguments_by_action() -> None:
    """Editors underline an argument that the named action does not take, also under `undo`."""
    validator = Draft202012Validator(runbook_schema(registry()))
    good = json.loads(runbook(GOOD).source_json)
    assert list(validator.iter_errors(good)) == []
    step = next(one for one in good["steps"] if one["uses"] == "serving.set_batch")
    step["with"]["limt"] = 3
    assert any("limt" in error.message for error in validator.iter_errors(good))
    step["uses"] = "serving.set_bach"
    assert list(validator.iter_errors(good)) != []


def test_the_schema_has_every_key_of_a_file() -> None:
    """Editors are offered the keys as they are written, aliases included."""
    schema = runbook_schema(registry())
    assert set(schema["properties"]) == {field.alias or name for name, field in RunbookFile.model_fields.items()}
    assert {"if", "with", "uses", "lease"} <= set(schema["$defs"]["StepField"]["properties"])
    assert schema["additionalProperties"] is False
