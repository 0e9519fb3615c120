"""docs/actions.md is right: its tables are those of the registry, and its examples are steps that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.action.reference import BEGIN, reference
from opsbot.action_settings import ActionsSection
from opsbot.yamlfile import loads
from tests.support.runbooks import problems_of, registry

FILE = Path(__file__).parents[2] / "docs/actions.md"
PAGE = FILE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(uses: .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
RUNBOOK = """version: 1
id: example
name: An example
owner: tests
mode: suggest
triggers: [{type: manual}]
steps:
  - id: one
    name: One
"""


def test_the_tables_are_current() -> None:
    """After a change of actions: `python -m opsbot actions --write docs/actions.md`."""
    assert PAGE.split(BEGIN)[1].strip() == reference(registry()).strip()


def test_there_are_examples() -> None:
    """A broken pattern here would test nothing."""
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[1])
def test_every_example_loads(example: str) -> None:
    """A reader can copy any example into a step."""
    step = "".join(f"    {line}\n" for line in example.splitlines())
    assert problems_of(RUNBOOK + step) == []


def test_the_settings_on_the_page_load() -> None:
    """A reader can copy the section `actions`, and it has every key that there is."""
    (text,) = re.findall(r"^```yaml\n(actions:.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    document, problems = loads(text, "actions.yaml")
    assert document is not None
    assert problems == []
    assert isinstance(document.data, dict)
    section = ActionsSection.model_validate(document.data["actions"])
    assert section.model_fields_set == set(ActionsSection.model_fields)
    for name in ("http", "secrets", "loadtest"):
        part = getattr(section, name)
        assert part.model_fields_set == set(type(part).model_fields)
