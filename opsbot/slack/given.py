"""What was typed and chosen in a dialog, by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def given(view: Mapping[str, Any]) -> Mapping[str, str]:
    """The text of each field, or the value of what was chosen; empty where nothing was, or nothing that we know."""
    found: dict[str, str] = {}
    for block, elements in _mapping(_mapping(view.get("state")).get("values")).items():
        for element in _mapping(elements).values():
            told = _mapping(element)
            found[str(block)] = str(told.get("value") or _mapping(told.get("selected_option")).get("value") or "")
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
