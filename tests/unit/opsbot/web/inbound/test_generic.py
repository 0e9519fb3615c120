"""Our own form."""

from __future__ import annotations

from typing import Any

from opsbot.alert.alert import Alert, AlertState
from opsbot.web.inbound.generic import parse_generic

EVENT = {
    "id": "backup-17",
    "status": "firing",
    "name": "BackupFailed",
    "severity": "P2",
    "labels": {"host": "db-1"},
    "summary": "The backup of db-1 failed",
    "description": "Exit status 3",
    "link": "https://backup.example/17",
    "starts_at": "2026-01-01T00:00:00Z",
    "value": 3,
}
NOW = 1767225700.0


def alert(**changes: Any) -> Alert:
    """The event, changed; a key that is set to None is left out."""
    body = {name: value for name, value in {**EVENT, **changes}.items() if value is not None}
    (event,) = parse_generic({"events": [body]}, "cron", NOW).events
    return event.alert


def test_all_fields() -> None:
    """Each has its place; severity is on our scale."""
    given = alert()
    assert given.labels == {"alertname": "BackupFailed", "host": "db-1", "severity": "high"}
    assert given.annotations == {
        "summary": "The backup of db-1 failed",
        "description": "Exit status 3",
        "link": "https://backup.example/17",
    }
    assert (given.starts_at, given.ends_at, given.value) == (1767225600.0, None, 3.0)


def test_three_fields_are_enough() -> None:
    """Without more it begins now and is of medium severity."""
    (event,) = parse_generic({"events": [{"id": "1", "status": "firing", "name": "A"}]}, "cron", NOW).events
    assert (event.alert.labels, event.alert.starts_at) == ({"alertname": "A", "severity": "medium"}, NOW)


def test_an_end_need_not_repeat_everything() -> None:
    """Name and labels make it the same alert; severity and texts do not."""
    end = alert(status="resolved", severity=None, summary=None, starts_at=None, ends_at="2026-01-01T00:01:00Z")
    assert end.fingerprint == alert().fingerprint
    assert (end.state, end.ends_at) == (AlertState.RESOLVED, 1767225660.0)
    assert alert(status="resolved", ends_at=None).ends_at == NOW
    assert alert(labels={"host": "db-2"}).fingerprint != alert().fingerprint


def test_beginning_and_end_may_share_an_id() -> None:
    """They are two events all the same."""
    bodies = [EVENT, {**EVENT, "status": "resolved"}, EVENT]
    first, end, again = (event.digest for event in parse_generic({"events": bodies}, "cron", NOW).events)
    assert first == again
    assert first != end


def test_a_key_cannot_write_lines_into_the_log() -> None:
    """An unknown key is named, on one line and not at any length."""
    body = {**EVENT, "a\nERROR forged" + "x" * 500: 1}
    (line,) = parse_generic({"events": [body]}, "cron", NOW).rejected
    assert line.startswith("events[0].a\\nERROR forged")
    assert "\n" not in line
    assert len(line) < 250
