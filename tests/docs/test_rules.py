"""docs/rules.md says what a rule may have, what templates take, and what ships."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.rule.loader import load_rule_file
from opsbot.rule.model import GroupWire, RuleWire
from opsbot.rule.template_function import FUNCTIONS
from tests.support.rule_packs import book

PAGE = (Path(__file__).parents[2] / "docs/rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wire", [RuleWire, GroupWire])
def test_every_key_has_a_row(wire: type[RuleWire | GroupWire]) -> None:
    """As it is written in the file."""
    for name, field in wire.model_fields.items():
        if name != "rules":
            assert f"\n| `{field.alias or name}` |" in PAGE


def test_every_template_function_is_told() -> None:
    """In the table of templates."""
    table = PAGE.split("## Templates")[1].split("##")[0]
    for name in FUNCTIONS:
        assert f"`{name}" in table


def test_every_shipped_alert_has_a_row_with_its_file() -> None:
    """And there are no rows of others."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+\.yaml)` \|", PAGE, re.MULTILINE))
    assert rows == {rule.name: Path(rule.origin).name for rule in book().rules}


def test_the_example_loads(tmp_path: Path) -> None:
    """As it stands on the page."""
    path = tmp_path / "example.yaml"
    path.write_text(PAGE.split("```yaml\n")[1].split("```")[0])
    file, problems = load_rule_file(path)
    assert problems == []
    assert file is not None
    assert len(file.rules) == len(file.recordings) == 1
