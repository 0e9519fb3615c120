"""What waits too long, and what stands still."""

from __future__ import annotations

from opsbot.heartbeat.watching import Backlog, Progress


def test_what_waits_without_progress_is_a_problem_after_its_patience() -> None:
    """Progress counts anew, and so does what comes back."""
    backlog = Backlog(60.0)
    assert backlog.problem({"a": 0}, "a waits", 100.0) is None
    assert backlog.problem({"a": 0, "b": 0}, "a waits", 160.0) is None
    assert backlog.problem({"a": 0, "b": 0}, "a waits", 161.0) == "a waits for 1m1s"
    assert backlog.problem({"a": 1, "b": 0}, "a waits", 162.0) is None
    assert backlog.problem({}, "a waits", 300.0) is None
    assert backlog.problem({"a": 1}, "a waits", 301.0) is None


def test_a_counter_is_fresh_while_it_moves() -> None:
    """One that was never seen to move is not trusted; one that began anew has moved."""
    progress = Progress(30.0)
    assert progress.problem(5.0, "its count", 0.0) == "its count was not seen to move yet"
    assert progress.problem(5.0, "its count", 5.0) == "its count was not seen to move yet"
    assert progress.problem(6.0, "its count", 10.0) is None
    assert progress.problem(6.0, "its count", 40.0) is None
    assert progress.problem(6.0, "its count", 41.0) == "its count stands still for 31s"
    assert progress.problem(1.0, "its count", 42.0) is None
