"""What holds a runbook back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opsbot.backtest.starting import Started, admission
from opsbot.runbook.model import Concurrency, MaxRuns, Runbook
from tests.support.runbooks import runbook

RUNBOOK = runbook(
    "version: 1\nid: relieve\nname: Relieve\ndescription: d\nowner: o\nmode: auto\n"
    "triggers: [{type: alert, match: {alertname: Busy}}]\ntimeout: 10m\n"
    "steps:\n  - {id: look, name: Look, uses: prometheus.query, with: {query: up}, timeout: 10s}\n"
)
CALM = replace(RUNBOOK, cooldown_s=0.0, max_runs=MaxRuns(6, 3600.0), concurrency=Concurrency(None, "queue"))


def started(at: float, *, cluster: str = "eu-1", incident: int = 1, is_under_way: bool = False) -> Started:
    """An earlier run of it."""
    return Started(at, "relieve", cluster, incident, is_under_way)


def why(runbook: Runbook, cluster: str, incident: int, earlier: Sequence[Started], now: float) -> str:
    """Why it does not start; empty if it does."""
    found = admission(runbook, cluster, incident, earlier, now)
    assert (found.verdict == "start") is (found.reason == "")
    return found.reason


def test_without_an_earlier_run_it_starts() -> None:
    """Nor does one on another cluster, or of another runbook, hold it back."""
    other = replace(started(990.0), runbook_id="other")
    strict = replace(CALM, cooldown_s=600.0, max_runs=MaxRuns(1, 3600.0))
    assert why(strict, "eu-1", 2, [], 1000.0) == ""
    assert why(strict, "eu-1", 2, [started(990.0, cluster="us-1"), other], 1000.0) == ""


def test_it_runs_once_for_an_incident_and_cluster() -> None:
    """As core queues it."""
    assert why(CALM, "eu-1", 1, [started(500.0)], 1000.0) == "it has run for #1 on eu-1 already"
    assert why(CALM, "eu-1", 2, [started(500.0)], 1000.0) == ""


def test_a_cooldown_counts_from_the_last_start() -> None:
    """To the second."""
    cool = replace(CALM, cooldown_s=600.0)
    assert why(cool, "eu-1", 3, [started(100.0), started(500.0, incident=2)], 1000.0) == (
        "its cooldown on eu-1 ends in 1m40s"
    )
    assert why(cool, "eu-1", 3, [started(400.0)], 1000.0) == ""


def test_after_so_many_runs_a_person_must_look() -> None:
    """Runs that are older than the time do not count."""
    few = replace(CALM, max_runs=MaxRuns(2, 3600.0))
    runs = [started(1000.0, incident=1), started(2000.0, incident=2)]
    said = "it has run 2 times on eu-1 within 1h and the trouble is back"
    assert why(few, "eu-1", 3, runs, 4599.0).startswith(said)
    assert why(few, "eu-1", 3, runs, 4600.0) == ""


def test_where_a_second_one_is_skipped_one_under_way_holds_it_back() -> None:
    """Until its incident has ended."""
    skips = replace(CALM, concurrency=Concurrency(None, "skip"))
    assert why(skips, "eu-1", 2, [started(500.0, is_under_way=True)], 1000.0) == (
        "its run for #1 of the same group is holding"
    )
    assert why(skips, "eu-1", 2, [started(500.0)], 1000.0) == ""
    assert why(CALM, "eu-1", 2, [started(500.0, is_under_way=True)], 1000.0) == ""


def test_one_that_replaces_starts_at_once() -> None:
    """The other one is undone for it."""
    replaces = replace(CALM, concurrency=Concurrency(None, "replace"))
    found = admission(replaces, "eu-1", 2, [started(500.0, is_under_way=True)], 1000.0)
    assert (found.verdict, found.replaced) == ("start", ("its run for #1",))
