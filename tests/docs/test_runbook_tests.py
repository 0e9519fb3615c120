"""docs/runbook-tests.md is right: its tests pass, and every key has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.test_command import test as command
from opsbot.testing.session import plan, run
from opsbot.testing.wire import Expectation, MockField, TestField, TestFile

PAGE = (Path(__file__).parents[2] / "docs/runbook-tests.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
RUNBOOK, *TESTS = BLOCKS


def test_every_example_is_performed() -> None:
    """A broken pattern here would test nothing."""
    assert len(BLOCKS) == PAGE.count("```yaml") == 5


@pytest.mark.parametrize("text", TESTS, ids=lambda text: re.findall(r"- name: (.*)", text)[0])
def test_every_example_passes(text: str, tmp_path: Path) -> None:
    """The tests on the page, beside the runbook on the page."""
    (tmp_path / "smaller-batch.yaml").write_text(RUNBOOK, encoding="utf-8")
    (tmp_path / "smaller-batch.test.yaml").write_text(text, encoding="utf-8")
    todo = plan([tmp_path])
    assert todo.problems == ()
    verdicts = [verdict for file in todo.files for verdict in run(file, lambda verdict: None)]
    assert [verdict.failures for verdict in verdicts] == [()] * text.count("- name: ")


@pytest.mark.parametrize(
    ("section", "model"),
    [("The file", TestFile), ("A test", TestField), ("Mocks", MockField), ("What is expected", Expectation)],
)
def test_every_key_has_a_row(section: str, model: type[TestFile]) -> None:
    """The tables have exactly the keys that a file may have."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    columns = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    keys = {key for column in columns for key in re.findall(r"`([^`]+)`", column)}
    assert keys == {field.alias or name for name, field in model.model_fields.items()}


def test_every_option_has_a_row() -> None:
    """`--config` is every command's."""
    text = PAGE.split("## The command\n")[1].split("\n## ")[0]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    assert {f"`{one}" for one in options - {"--config"}} <= {
        found.split()[0].rstrip("`") for found in re.findall(r"`-[^`]*`", text)
    }
