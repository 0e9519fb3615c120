"""Short names of runs, that people can say and type: `r-3fa2c1` for `run:kv-cache-pressure:cc0d8e…:1:1`."""

from __future__ import annotations

import hashlib
import re

PREFIX = "r-"
SHOWN = 6
KEPT = 12
"""Digits that are shown, and that are kept: longer handles tell two runs apart whose short ones are alike."""

_HANDLE = re.compile(r"^(?:r-)?([0-9a-f]{4,12})$", re.IGNORECASE)


def digits_of(run_id: str) -> str:
    """The digits of a run's handle, all that are kept."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:KEPT]


def handle_of(run_id: str) -> str:
    """The run's short name: `r-3fa2c1`."""
    return PREFIX + digits_of(run_id)[:SHOWN]


def digits_in(text: str) -> str | None:
    """The digits that somebody typed as a handle, perhaps only the first; None for what is no handle."""
    found = _HANDLE.match(text.strip())
    return found[1].lower() if found else None
