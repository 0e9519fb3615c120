"""Which kind of file a document is, told by its own keys, so that `opsbot check FILE` needs no settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

FileKind = Literal["runbook", "runbook tests", "alert rules", "settings", "rota", "targets"]

OWN_KEYS: Mapping[FileKind, Sequence[str]] = {
    "runbook": ("steps", "triggers", "inputs", "on_failure"),
    "runbook tests": ("tests", "input_series", "mock", "runbook", "interval"),
    "alert rules": ("groups",),
    "settings": (
        "serving",
        "prometheus",
        "targets_file",
        "targets_url",
        "runbooks",
        "alert_rules",
        "data_dir",
        "slack",
    ),
    "rota": ("schedules", "policies"),
}
"""Keys that no other kind has; a file without any of them could not be read as that kind anyway."""

UNKNOWN = (
    "this is no kind of file that opsbot reads: a runbook has the key `steps`, its tests have `tests`, alert rules "
    "have `groups`, a rota has `schedules`, settings have `serving`, `prometheus`, `targets_file` or `targets_url`, "
    "lists of targets `targets`"
)


def kind_of(data: object) -> FileKind | None:
    """The kind whose own keys the data has most of; None if it has none of any."""
    if isinstance(data, list):
        return "targets" if any(isinstance(one, dict) and "targets" in one for one in data) else None
    if not isinstance(data, dict):
        return None
    counts = {kind: sum(key in data for key in keys) for kind, keys in OWN_KEYS.items()}
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else None
