"""docs/oncall.md shows the shipped example, which fits its schema, and names every key and every part."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from opsbot.check import schemas
from opsbot.heartbeat.parts import PARTS
from opsbot.heartbeat.section import HeartbeatSection
from opsbot.oncall.wire import HoursWire, LevelWire, OverrideWire, PolicyWire, RotationWire, RotaWire, ScheduleWire
from opsbot.yamlfile import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/oncall.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs/examples/oncall.yaml"
WIRES = (RotaWire, ScheduleWire, RotationWire, HoursWire, OverrideWire, PolicyWire, LevelWire, HeartbeatSection)


def test_the_page_shows_the_shipped_example() -> None:
    """Word for word."""
    found = re.search(r"^```yaml oncall.yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert found[1] == EXAMPLE.read_text(encoding="utf-8")


def test_the_shipped_schema_is_current_and_the_example_fits() -> None:
    """As an editor that reads YAML 1.2 sees it."""
    shipped = json.loads((ROOT / "docs/schema/oncall.json").read_text(encoding="utf-8"))
    assert shipped == schemas()["oncall"], "run `make schema`"
    document, problems = load(EXAMPLE)
    assert document is not None
    assert problems == []
    assert list(Draft202012Validator(shipped).iter_errors(document.data)) == []


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.__name__)
def test_every_key_is_on_the_page(wire: type[BaseModel]) -> None:
    """In the example or in a table."""
    for name, field in wire.model_fields.items():
        assert re.search(rf"(?<![\w-]){field.alias or name}(?![\w-])", PAGE), name


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_loop_has_a_row(part: str) -> None:
    """In the heartbeat's table."""
    assert f"\n| `{part}` | " in PAGE.split("## The heartbeat")[1]
