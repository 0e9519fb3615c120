"""What stands beside a run and its steps: words that a tired person needs, and no query."""

from __future__ import annotations

import dataclasses

from opsbot.incident.view import StepView
from opsbot.slack.steps import run_line, step_line
from tests.support.incident_views import make_run

QUERY = 'sum(vllm:num_requests_running{cluster="eu-1"})'


def test_a_query_is_told_by_its_answer() -> None:
    """Its name says what was asked; the thread and the command line have the query."""
    step = StepView("running", "Read how many requests run", "prometheus.query", "succeeded", f"{QUERY} is 7.2")
    assert step_line(step) == "✓  Read how many requests run · 7.2"


def test_a_query_that_failed_is_told_whole() -> None:
    """Then what was asked may be what is wrong."""
    step = StepView("running", "Read", "prometheus.query", "failed", f"{QUERY} is not a number")
    assert step_line(step).startswith("✗  Read · failed: sum(vllm:")
    assert step_line(step).endswith(" is not a number")


def test_a_condition_that_is_false_is_told_without_it() -> None:
    """Nobody reads an expression at night; another reason to skip stays whole."""
    step = StepView("shed", "Shed", "serving.shed", "skipped", "steps.batch.state == 'not_verified' is false")
    assert step_line(step) == "–  Shed · skipped: its condition is not met"
    other = dataclasses.replace(step, detail="left out by a person")
    assert step_line(other) == "–  Shed · skipped: left out by a person"


def test_another_action_keeps_its_words() -> None:
    """Only of queries a part is left out."""
    step = StepView("s", "Fault", "serving.fault", "succeeded", "the knob of eu-1 is 8 again")
    assert step_line(step) == "✓  Fault · the knob of eu-1 is 8 again"


def test_nothing_is_said_twice() -> None:
    """The state's word begins what is said of it already."""
    run = dataclasses.replace(make_run("waiting"), detail="waiting for responders to approve")
    assert run_line(run).endswith(": waiting for responders to approve")
    holding = dataclasses.replace(make_run("holding"), detail="held until the incident ends")
    assert run_line(holding).endswith(": done, holding its change until the incident ends")
    other = dataclasses.replace(make_run("waiting"), detail="a lock is held")
    assert run_line(other).endswith(": waiting (a lock is held)")
