"""docs/runbooks.md is right: its examples load, and every key has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.runbook.scope import INCIDENT_VARIABLES
from opsbot.runbook.wire import (
    AnnounceField,
    ApprovalField,
    ConcurrencyField,
    InputField,
    LimitsField,
    MaxRunsField,
    RetryField,
    RunbookFile,
    StepField,
    TriggerField,
    VerifyField,
)
from opsbot.yamlfile import loads
from tests.support.runbooks import problems_of

PAGE = (Path(__file__).parents[2] / "docs/runbooks.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def _keys(section: str) -> set[str]:
    """What stands in backticks in the first column of a section's table."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    first_columns = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {key for column in first_columns for key in re.findall(r"`([^`]+)`", column)}


def _written(fields: dict[str, str | None]) -> set[str]:
    return {alias or name for name, alias in fields.items()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.findall(r"^id: (.*)$", text, re.MULTILINE)[0])
def test_every_example_loads(example: str) -> None:
    """A reader can copy any example."""
    assert problems_of(example) == []


def test_there_are_examples() -> None:
    """The page shows the language; a broken pattern here would test nothing."""
    assert len(EXAMPLES) == PAGE.count("```yaml") >= 2


def test_every_key_of_the_head_has_a_row() -> None:
    """The table of the head has exactly the keys that a file may have."""
    assert _keys("Head") == _written({name: field.alias for name, field in RunbookFile.model_fields.items()})


def test_every_key_of_a_step_has_a_row() -> None:
    """The table of steps has exactly the keys that a step may have."""
    assert _keys("Steps") == _written({name: field.alias for name, field in StepField.model_fields.items()})


def test_every_name_of_the_incident_is_listed() -> None:
    """Whatever an expression may name is on the page."""
    listed = _keys("Expressions")
    assert all(name in listed or f"{name}.<label>" in listed for name in INCIDENT_VARIABLES)


def test_the_examples_use_every_key() -> None:
    """A person can write a runbook from this page alone; `undo` waits for an action that is undone by another."""
    used: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            used.update(value)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    for example in EXAMPLES:
        document, _ = loads(example, "example.yaml")
        assert document is not None
        walk(document.data)
    parts = (RunbookFile, TriggerField, InputField, StepField, ApprovalField, AnnounceField, VerifyField, RetryField)
    wanted = {
        field.alias or name
        for part in (*parts, LimitsField, MaxRunsField, ConcurrencyField)
        for name, field in part.model_fields.items()
    }
    assert wanted - used <= {"undo", "pattern", "required", "enabled"}
