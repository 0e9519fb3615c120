"""A backtest as JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from opsbot.backtest.finding import Backtest, Episode, totals
from opsbot.clock import to_rfc3339


def to_json(found: Backtest) -> dict[str, Any]:
    """All of it; times in RFC 3339, lengths in seconds."""
    return {
        "since": to_rfc3339(found.since_s),
        "until": to_rfc3339(found.until_s),
        "source": found.source,
        "notes": list(found.notes),
        "stretches": [
            {
                "begins_at": to_rfc3339(one.begins_at),
                "ends_at": to_rfc3339(one.ends_at),
                "resolution_s": one.resolution_s,
                "step_s": one.step_s,
            }
            for one in found.stretches
        ],
        "gaps": [
            {"begins_at": to_rfc3339(one.begins_at), "ends_at": to_rfc3339(one.ends_at), "source": one.source}
            for one in found.gaps
        ],
        "episodes": [_episode(one, found.until_s) for one in found.episodes],
        "rules": [
            asdict(row) | ({"sight": asdict(found.sights[row.name])} if row.name in found.sights else {})
            for row in totals(found)
        ],
        "num_incidents": found.num_incidents,
        "num_pages": found.num_pages,
    }


def _episode(one: Episode, until_s: float) -> dict[str, Any]:
    return {
        "alert": one.name,
        "labels": dict(one.labels),
        "severity": one.severity,
        "begins_at": to_rfc3339(one.begins_at),
        "ends_at": None if one.ends_at is None else to_rfc3339(one.ends_at),
        "fired_s": one.length_s(until_s),
        "blind_s": one.blind_s,
        "incident": one.incident,
        "hidden": one.hidden,
        "paged_at": None if one.paged_at is None else to_rfc3339(one.paged_at),
        "runbooks": [
            {"id": start.runbook_id, "at": to_rfc3339(start.at), "mode": start.mode, "held_back": start.held_back}
            for start in one.starts
        ],
    }
