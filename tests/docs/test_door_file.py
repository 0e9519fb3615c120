"""docs/serving.md names every flag of the server and every key of the door file."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from serving_stub.__main__ import main
from serving_stub.api.door_settings import DoorSettings

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
DOOR = PAGE.split("\n### The door file\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (`.*)$", DOOR, re.MULTILINE)


def row_of(key: str) -> str:
    """The one row of the section whose first column has *key*."""
    (found,) = (row for row in ROWS if f"`{key}`" in row.split("|")[0])
    return str(found)


def models(annotation: object) -> list[type[BaseModel]]:
    """The models in a field's type."""
    parts = (annotation, *getattr(annotation, "__args__", ()))
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]


def keys_below(model: type[BaseModel]) -> set[str]:
    """The names of all fields of a part of the file, however deep."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in models(field.annotation):
            names |= keys_below(inner)
    return names


@pytest.mark.parametrize("key", sorted(DoorSettings.model_fields))
def test_every_key_has_a_row_that_names_what_is_below_it(key: str) -> None:
    """Each key of the file stands in one row, and a section's row names the section's keys."""
    row = row_of(key)
    for model in models(DoorSettings.model_fields[key].annotation):
        for name in keys_below(model):
            assert f"`{name}`" in row or f"`{name}:" in row, name


@pytest.mark.parametrize("option", [one for one in main.params if isinstance(one, click.Option)], ids=str)
def test_every_flag_has_a_row(option: click.Option) -> None:
    """Each flag of the command line stands in the table of flags."""
    assert f"| `{option.opts[0]}`" in PAGE.split("\n## Starting a server\n")[1]
