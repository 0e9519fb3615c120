"""Slack's published payload shapes, and how what somebody sends differs from them.

The files in tests/data/slack follow Slack's reference and the tests of slack_bolt and slack_sdk, with ids of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).parents[1] / "data" / "slack"
OPEN = frozenset({"blocks", "values", "payload", "elements", "text", "value"})
"""What is the app's own, or chosen by a person: its keys are not Slack's."""
MAY_BE_MORE = frozenset({"message", "previous_message", "actions", "event", "view", "root"})
"""Slack adds fields here as the message, the element or the view has them."""


def shape(name: str) -> dict[str, Any]:
    """One published payload."""
    found: dict[str, Any] = json.loads((SHAPES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def names(prefix: str = "") -> list[str]:
    """Every published payload whose name begins so."""
    return sorted(path.stem for path in SHAPES.glob(f"{prefix}*.json"))


def differences(published: Any, sent: Any, where: str = "") -> Iterator[str]:
    """Each key that is missing, unknown, or holds another type."""
    if isinstance(published, dict) and isinstance(sent, dict):
        yield from (f"{where}/{name}: missing" for name in sorted(published.keys() - sent.keys()))
        if where.rpartition("/")[2].rstrip("0123456789") not in MAY_BE_MORE:
            yield from (f"{where}/{name}: unknown" for name in sorted(sent.keys() - published.keys()))
        for name in sorted(published.keys() & sent.keys() - OPEN):
            yield from differences(published[name], sent[name], f"{where}/{name}")
    elif isinstance(published, list) and isinstance(sent, list):
        if published and not sent:
            yield f"{where}: empty"
        for one in sent if published else []:
            yield from differences(published[0], one, where)
    elif type(published) is not type(sent):
        yield f"{where}: {type(sent).__name__} instead of {type(published).__name__}"
