"""The words that annotations may hold: a label's or the value's, in our writing or Prometheus's.

Only plain substitutions exist; whatever else stands in double braces is refused when the file is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_LABEL = re.compile(r"(?:\$labels\.)([a-zA-Z_][a-zA-Z0-9_]*)|([a-zA-Z_][a-zA-Z0-9_]*)")


def mistakes(text: str) -> list[str]:
    """Each thing in double braces that would not be filled in."""
    return [inside.strip() for inside in _BRACES.findall(text) if not _is_value(inside) and _label(inside) is None]


def fill(text: str, labels: Mapping[str, str], value: float | None) -> str:
    """*text* with labels and value filled in; what is not known is said to be."""

    def word(match: re.Match[str]) -> str:
        if _is_value(match[1]):
            return "unknown" if value is None else f"{value:.4g}"
        name = _label(match[1])
        return match[0] if name is None else labels.get(name, f"(no label {name})")

    return _BRACES.sub(word, text)


def _is_value(inside: str) -> bool:
    return inside.strip() in ("value", "$value")


def _label(inside: str) -> str | None:
    match = _LABEL.fullmatch(inside.strip())
    return (match[1] or match[2]) if match is not None else None
