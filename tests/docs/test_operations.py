"""docs/operations.md says what the settings are."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.config import Settings

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_a_row(name: str) -> None:
    """Each setting stands in the table of docs/operations.md."""
    assert f"| `{name}` |" in OPERATIONS


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_nested_settings_are_named(name: str) -> None:
    """Each key of a section is named in its section's row."""
    row = next(line for line in OPERATIONS.splitlines() if line.startswith(f"| `{name}` |"))
    annotation = Settings.model_fields[name].annotation
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        for key in getattr(candidate, "model_fields", {}):
            assert f"`{key}`" in row or f"{key}:" in row
