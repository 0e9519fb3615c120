"""The shipped Grafana dashboard: its panels, and its queries with the variables filled in as Grafana would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "docs/grafana/opsbot.json"
VARIABLES = {"$cluster": ".*", "$window": "1m"}

Json = Mapping[str, Any]


def dashboard() -> Json:
    """The file."""
    found: Json = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def queries(found: Json) -> Sequence[tuple[str, str]]:
    """(panel's title, PromQL) of every target."""
    return [
        (panel["title"], _filled(target["expr"])) for panel in found["panels"] for target in panel.get("targets", ())
    ]


def _filled(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr
