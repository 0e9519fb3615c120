"""docs/frontdoor.md names every field of the failwhale's and the fallback prompts' values and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from serving_stub.frontdoor.failwhale import FailwhaleValue
from serving_stub.frontdoor.fallback import FallbackValue
from serving_stub.frontdoor.prompt_library import FallbackPrompt

PAGE = (Path(__file__).parents[2] / "docs/frontdoor.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("## Failwhale", FailwhaleValue),
        ("## Fallback prompts", FallbackValue),
        ("### A file of the library", FallbackPrompt),
    ],
)
def test_every_field_has_its_row(heading: str, model: type[BaseModel]) -> None:
    """In the first column of its section's tables."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)
    assert set(model.model_fields) <= {word for row in rows for word in re.findall(r"`([^`]+)`", row)}
