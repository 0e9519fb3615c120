"""What was typed and chosen in a dialog, by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def given(view: Mapping[str, Any]) -> Mapping[str, str]:
    """The text of each field, or the value of what was chosen; empty where nothing was."""
    found: dict[str, str] = {}
    for block, elements in view.get("state", {}).get("values", {}).items():
        for element in elements.values():
            chosen = element.get("selected_option") or {}
            found[str(block)] = str(element.get("value") or chosen.get("value") or "")
    return found
