"""The audit trail: what it keeps, and what it gives on request."""

from __future__ import annotations

from serving_stub.frontdoor.audit import MAX_NUM_NOTES, AuditTrail, Note


def test_notes_are_found_by_time_and_knob() -> None:
    """From a time on, about a knob, the newest few; always the oldest first."""
    trail = AuditTrail(Note(float(number), "bot", "granted", knob="ab"[number % 2]) for number in range(6))
    assert [note.at for note in trail.notes(since=2.0, knob="a")] == [2.0, 4.0]
    assert [note.at for note in trail.notes(limit=2)] == [4.0, 5.0]


def test_the_oldest_go_first() -> None:
    """Memory is bounded."""
    trail = AuditTrail()
    trail.add(Note(float(number), "bot", "granted") for number in range(MAX_NUM_NOTES + 3))
    assert len(trail.notes()) == MAX_NUM_NOTES
    assert trail.notes()[0].at == 3.0
