"""Runs in virtual time where something went wrong at a bad moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runbook_tests import HEAD, RUNBOOK, failures, performed

UNKNOWN = "approve: [{step: resize}], go_now: [{step: restart}], mock: {restart: {error: unknown}}"
MANY = """\
version: 1
id: relief
name: Relief
owner: tests
mode: auto
triggers: [{type: alert, match: {alertname: Slow}}]
steps:
  - id: shrink
    name: Shrink
    uses: serving.set_batch
    foreach: fleet.clusters
    stages: [1, 100%]
    with: {limit: 4, cluster: "${{ item }}"}
    lease: 60s
"""


def test_a_step_whose_outcome_is_unknown_waits_quietly_after_the_runs_time_is_over(tmp_path: Path) -> None:
    """It once looked twenty times a second, and recorded each look."""
    (verdict,) = performed(tmp_path, f"  - {{name: one, {UNKNOWN}, undo: {{at: 3h}}, expect: {{state: undone}}}}\n")
    assert verdict.failures == ()
    assert verdict.seen.passed_s >= 3 * 3600.0


@pytest.mark.parametrize(
    ("end", "state"), [("cancel: {at: 5m}", "undone"), ("undo: {at: 5m}", "undone"), ("resolve: 5m", "succeeded")]
)
def test_a_run_ends_although_nobody_said_whether_a_step_happened(end: str, state: str, tmp_path: Path) -> None:
    """What it has set for sure is given back."""
    tests = f"  - {{name: one, {UNKNOWN}, {end}, expect: {{state: {state}, undone: [resize]}}}}\n"
    assert failures(tmp_path, tests) == [()]


@pytest.mark.parametrize("death", ["", "crash_after: every, "])
def test_an_item_that_broke_ends_the_step_also_after_a_death(death: str, tmp_path: Path) -> None:
    """It was once passed over, and the step succeeded."""
    mocks = "mock: {shrink: {prior: {in_force: 9}}, 'shrink[1]': {prior: {in_force: 9}, error: refused}}"
    tests = f"""\
  - name: one
    {mocks}
    expect:
      state: undone
      steps: {{shrink: failed, "shrink[0]": undone, "shrink[1]": failed, "shrink[2]": ready}}
      undone: ["shrink[0]"]
""".replace("    expect:", f"    {death.rstrip(', ')}\n    expect:" if death else "    expect:")
    assert failures(tmp_path, tests, MANY, HEAD.replace("mock: {resize: {prior: {in_force: 64}}}\n", "")) == [()]


def test_nothing_is_given_back_while_all_runs_are_stopped_whatever_the_run_was_at(tmp_path: Path) -> None:
    """Also when the incident ends while a step waits for the end of the stop."""
    tests = """\
  - name: one
    approve: [{step: resize}]
    halt: {at: 1m, until: 30m}
    resolve: 10m
    stop_at: 29m
    expect: {state: running, undone: []}
  - name: two
    approve: [{step: resize}]
    halt: {at: 1m, until: 30m}
    resolve: 10m
    expect: {state: succeeded, undone: [resize]}
"""
    assert failures(tmp_path, tests, RUNBOOK.replace("timeout: 20m", "timeout: 1h")) == [(), ()]


UNDONE = """\
version: 1
id: relief
name: Relief
owner: tests
mode: MODE
triggers: [{type: alert, match: {alertname: Slow}}]
steps:
  - id: restart
    name: Restart
    uses: serving.restart
    undo: {uses: serving.release_all, with: {whose: opsbot}}
finally:
  - {id: clear, name: Clear up, uses: serving.release_all}
"""
PLAIN = HEAD.replace("mock: {resize: {prior: {in_force: 64}}}\n", "")


def test_an_undo_is_not_done_twice_when_the_bot_dies_right_after_it(tmp_path: Path) -> None:
    """It has a key of its own, by which it is looked up."""
    waiting = "  - {id: wait, name: Wait, uses: wait.until, with: {expr: up == 7}, timeout: 10m}\nfinally:"
    runbook = UNDONE.replace("MODE", "auto").replace("finally:", waiting)
    tests = """\
  - name: one
    undo: {at: 1m}
    crash_after: restart.undo
    expect: {state: undone, calls: [{step: restart}, {step: restart.undo}, {step: clear}], undone: [restart]}
"""
    (verdict,) = performed(tmp_path, tests, runbook, PLAIN)
    assert verdict.failures == ()
    assert verdict.seen.deaths == ("the act of restart.undo",)
