"""docs/frontdoor.md names every key of the tenants file, every reason class and every reason of these decisions."""

from __future__ import annotations

import re
from pathlib import Path

from serving_stub.frontdoor.refusal import Reason
from serving_stub.frontdoor.tenant import ClassRow, KeyRow, TenantRow
from serving_stub.frontdoor.throttle import TOLD, ReasonClass

PAGE = (Path(__file__).parents[2] / "docs/frontdoor.md").read_text(encoding="utf-8")
TENANTS = PAGE.split("## Tenants and admission")[1].split("\n## ")[0]
SHED = PAGE.split("## Shed, throttle and block")[1].split("\n## ")[0]
OTHERS = {Reason.FAILWHALE, Reason.DRAINING, Reason.FENCED}


def first_cells(section: str) -> set[str]:
    """Every word in backticks in the first column of a section's tables."""
    return {
        word for row in re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)
    }


def test_every_key_of_the_tenants_file_has_its_row() -> None:
    """By the name that is written in the file."""
    words = {word.rsplit(".", 1)[-1].rsplit("[]", 1)[-1] for word in first_cells(TENANTS)}
    for model in (ClassRow, KeyRow, TenantRow):
        names = {field.alias or name for name, field in model.model_fields.items()} - {"keys"}
        assert names <= words


def test_every_reason_class_has_its_words() -> None:
    """The same that the caller hears."""
    for reason_class in ReasonClass:
        assert f"| `{reason_class}` | {TOLD[reason_class]} |" in SHED


def test_every_reason_has_its_row() -> None:
    """Those of the failwhale, a drain and a fence stand elsewhere."""
    assert {reason.value for reason in Reason if reason not in OTHERS} <= first_cells(SHED)
