"""Tests of runbooks see what the bot does: people, mocks, time, deaths. Each case is one that passes only if so."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.runbook_tests import HEAD, RUNBOOK, failures, performed

APPROVED = "approve: [{step: resize, by: ana, after: 20s}]"
GOOD = f"""\
  - name: one
    {APPROVED}
    resolve: 15m
    expect:
      state: succeeded
      incident: resolved
      steps: {{read: succeeded, resize: succeeded, restart: succeeded, look: succeeded}}
      approvals: [{{step: resize, role: responder, will_do: set the batch limit of a from 64 to 8, state: granted}}]
      calls: [{{step: resize, action: serving.set_batch, with: {{limit: 8, cluster: a}}}}, {{step: restart}}]
      undone: [resize]
      outputs: {{read: {{value: 2.0}}, resize: {{limit: 8}}}}
      messages: [sum(up) is 2, "Granted: set", "Verified: all are up", Nobody objected, /^Released/, Runbook ended]
      no_messages: [Undone]
      duration: 15m
"""

CASES = {
    "the whole run": GOOD,
    "a death after each write changes nothing": GOOD.replace(
        "    resolve: 15m\n", "    resolve: 15m\n    crash_after: every\n"
    ),
    "a death right after an act is found out": GOOD.replace(
        "    resolve: 15m\n", "    resolve: 15m\n    crash_after: [resize, restart]\n"
    ),
    "a refusal": """\
  - name: one
    deny: [{step: resize, by: cod, at: 1m}]
    expect: {state: cancelled, detail: refused by cod, calls: [], steps: {resize: skipped, restart: pending}}
""",
    "an approval that nobody gives": """\
  - name: one
    expect: {state: cancelled, approvals: [{step: resize, state: expired}], calls: [], duration: 10m30s}
""",
    "whoever may not is told so": """\
  - name: one
    approve: [{step: resize, by: vic, rejected: the role responder is needed}, {step: resize, by: ana, after: 5s}]
    object: [{step: restart, by: bo, after: 1s}]
    expect: {state: holding, calls: [{step: resize}]}
""",
    "an objection": f"""\
  - name: one
    {APPROVED}
    object: [{{step: restart, by: bo, after: 10s, reason: no}}]
    expect: {{state: holding, detail: "bo objected: no", steps: {{restart: skipped}}, undone: []}}
""",
    "go now": f"""\
  - name: one
    {APPROVED}
    go_now: [{{step: restart, by: bo, after: 10s}}]
    expect: {{state: holding, steps: {{restart: succeeded}}, duration: 40s}}
""",
    "an offer of capacity lengthens the countdown": f"""\
  - name: one
    {APPROVED}
    capacity: [{{step: restart, by: bo, after: 10s}}]
    object: [{{step: restart, by: bo, after: 3m}}]
    expect: {{state: holding, steps: {{restart: skipped}}, messages: [Offered capacity, Objected]}}
""",
    "the metrics change once it has acted": f"""\
  - name: one
    input_series: [{{series: 'up{{cluster="b"}}', values: 0.5x7200}}]
    mock: {{resize: {{prior: {{in_force: 64}}, sets: [{{series: 'up{{cluster="b"}}', values: 0.5x5 1x7200}}]}}}}
    {APPROVED}
    object: [{{step: restart}}]
    expect: {{state: holding, incident: open, steps: {{resize: succeeded}}, messages: ["Verified: all are up"]}}
""",
    "what did not help is taken back": f"""\
  - name: one
    input_series: [{{series: 'up{{cluster="b"}}', values: 0.5x7200}}]
    {APPROVED}
    expect: {{state: undone, steps: {{resize: undone, restart: pending}}, undone: [resize]}}
""",
    "no data is told apart": f"""\
  - name: one
    input_series:
      - {{series: 'up{{cluster="a"}}', values: 1x25 stale}}
      - {{series: 'up{{cluster="b"}}', values: 1x25 stale}}
    {APPROVED}
    expect: {{state: holding, steps: {{resize: not_verified}}, messages: [Cannot tell whether it helped], undone: []}}
""",
    "an alert's end before anybody decided": """\
  - {name: one, resolve: 1m, expect: {state: cancelled, calls: [], messages: [Resolved]}}
""",
    "a person undoes": f"""\
  - name: one
    {APPROVED}
    undo: {{by: bo, at: 1m}}
    expect: {{state: undone, undone: [resize], messages: ["Asked to undo", "Undone:"]}}
""",
    "a person cancels": """\
  - {name: one, cancel: {by: bo, at: 20s, reason: false alarm}, expect: {state: cancelled, detail: false alarm}}
""",
    "a refusal of the server rolls back": f"""\
  - name: one
    mock: {{restart: {{error: refused}}}}
    {APPROVED}
    expect: {{state: undone, steps: {{restart: failed, resize: undone}}, undone: [resize]}}
""",
    "the second call works": f"""\
  - name: one
    mock: {{restart: {{error: unreachable, then: [{{}}]}}}}
    {APPROVED}
    expect: {{state: holding, calls: [{{step: resize}}, {{step: restart}}, {{step: restart}}]}}
""",
    "a lost answer is looked up and nothing is done twice": f"""\
  - name: one
    mock: {{restart: {{error: lost}}}}
    {APPROVED}
    expect: {{state: holding, calls: [{{step: resize}}, {{step: restart}}], steps: {{restart: succeeded}}}}
""",
    "an act that hangs": f"""\
  - name: one
    mock: {{restart: {{error: hangs, then: [{{}}]}}}}
    {APPROVED}
    expect: {{state: holding, steps: {{restart: succeeded}}}}
""",
    "what cannot be looked up needs a person": f"""\
  - name: one
    mock: {{restart: {{error: unknown}}}}
    {APPROVED}
    expect: {{state: waiting, steps: {{restart: unknown}}, messages: [It may have happened; it is not repeated]}}
""",
    "a lease that cannot be given back needs a person": f"""\
  - name: one
    mock: {{resize: {{prior: {{in_force: 64}}, release_error: unreachable}}}}
    {APPROVED}
    resolve: 15m
    expect: {{state: needs_person, undone: []}}
""",
    "a person's inputs": """\
  - name: one
    requester: ana
    inputs: {limit: 3}
    approve: [{step: resize}]
    object: [{step: restart}]
    expect: {state: holding, calls: [{step: resize, with: {limit: 3}}]}
""",
    "an alert that is not the runbook's": """\
  - {name: one, alert: {labels: {alertname: Other, cluster: a}}, expect: {state: not_started, incident: open}}
""",
    "a knob that somebody holds": f"""\
  - name: one
    {APPROVED}
    holds: [{{knob: a/batch_limit, by: bo, at: 1s, until: 2m, reason: launch}}]
    object: [{{step: restart}}]
    expect: {{state: holding, messages: ["Waits: a/batch_limit is held by <@bo>: launch", "Done: set"]}}
""",
    "all runs are stopped for a while": f"""\
  - name: one
    {APPROVED}
    halt: {{by: cod, at: 20s, until: 5m, reason: look first}}
    object: [{{step: restart}}]
    expect: {{state: holding, messages: ["Waits: cod has stopped all runs (look first).", "Done: set"]}}
""",
    "a pause gives everybody the time back": """\
  - name: one
    pause: {by: bo, at: 1m, until: 31m, reason: look first}
    expect: {state: cancelled, duration: 40m30s, messages: ["Paused the run: look first", Resumed, Nobody approved]}
""",
    "a run that nobody resumes stays where it is": """\
  - {name: one, pause: {by: bo, at: 1m}, expect: {state: waiting, calls: [], approvals: [{step: resize, state: open}]}}
""",
    "an approval during a pause is made after it": """\
  - name: one
    approve: [{step: resize, by: ana, after: 5m}]
    pause: {by: bo, at: 1m, until: 20m}
    object: [{step: restart, reason: no}]
    expect: {state: holding, messages: ["Paused", "Granted:", "Resumed", "Done: set"]}
""",
    "a viewer pauses nothing": """\
  - {name: one, pause: {by: vic, at: 1m, rejected: the role responder is needed}, expect: {state: cancelled}}
""",
    "a step is left out when it is asked about": """\
  - name: one
    skip: [{step: resize, by: bo, after: 1m, reason: it is small}]
    object: [{step: restart, after: 1s}]
    expect:
      steps: {resize: skipped, restart: skipped}
      calls: []
      messages: ["Leaves out “Resize”: it is small", Restart soon.]
""",
    "a step is left out when it is announced": f"""\
  - name: one
    {APPROVED}
    skip: [{{step: restart, by: bo, after: 1m}}]
    expect: {{state: holding, steps: {{restart: skipped}}, calls: [{{step: resize}}], no_messages: [Objected]}}
""",
    "a step is left out before anybody is asked about it": """\
  - name: one
    approve: [{step: resize, by: ana, after: 30s}]
    skip: [{step: restart, by: bo, at: 15s}]
    expect: {state: holding, steps: {restart: skipped}, no_messages: [Restart soon.]}
""",
    "a step that has acted cannot be left out": f"""\
  - name: one
    {APPROVED}
    skip: [{{step: resize, by: bo, at: 1m, rejected: cannot be left out}}]
    object: [{{step: restart, after: 1m}}]
    expect: {{state: holding, steps: {{resize: succeeded}}}}
""",
    "a value that changes while people think is shown anew": """\
  - name: one
    mock: {resize: {prior: [{in_force: 64}, {in_force: 32}]}}
    approve: [{step: resize, by: ana, after: 1m}, {step: resize, by: ana, after: 1m}]
    object: [{step: restart}]
    expect:
      state: holding
      approvals:
        - {step: resize, will_do: from 64 to 8, state: granted}
        - {step: resize, will_do: from 32 to 8, state: granted}
      calls: [{step: resize}]
      messages: ["the value has changed since it was shown", "Done: set the batch limit of a from 32 to 8"]
""",
    "a value that changes each time is not acted on": """\
  - name: one
    mock:
      resize:
        prior: [{in_force: 64}, {in_force: 32}, {in_force: 33}, {in_force: 34}, {in_force: 35}, {in_force: 36}]
    approve: [{step: resize}, {step: resize}, {step: resize}]
    expect: {state: failed, calls: [], detail: the value changes each time}
""",
    "the second call has readings of its own": """\
  - name: one
    mock:
      resize:
        prior: [{in_force: 64}]
        error: unreachable
        then: [{prior: {in_force: 32}}]
    approve: [{step: resize}]
    object: [{step: restart}]
    expect: {messages: ["Granted: set the batch limit of a from 64", "Done: set the batch limit of a from 32"]}
""",
    "Slack is down": f"""\
  - name: one
    {APPROVED}
    slack: down
    resolve: 15m
    expect: {{state: succeeded, messages: [Slack did not take the announcement; it was paged]}}
""",
    "a condition that is false": """\
  - name: one
    input_series: [{series: 'up{cluster="b"}', values: _x100}]
    object: [{step: restart}]
    expect: {steps: {resize: skipped}, calls: [], approvals: []}
""",
    "a test that must end": """\
  - {name: one, stop_at: 1m, expect: {state: waiting, calls: []}}
""",
}


@pytest.mark.parametrize("tests", CASES.values(), ids=CASES.keys())
def test_what_is_expected_is_seen(tests: str, tmp_path: Path) -> None:
    """Nothing differs."""
    assert failures(tmp_path, tests) == [()]


@pytest.mark.parametrize(
    ("word", "calls", "message"),
    [
        ("true", 1, "Said that “Restart” happened: the run goes on"),
        ("false", 2, "Said that “Restart” did not happen: it is made once more"),
    ],
)
def test_a_person_says_what_came_of_an_act(word: str, calls: int, message: str, tmp_path: Path) -> None:
    """Whoever has the right to; it is made once more only if it did not happen."""
    runbook = RUNBOOK.replace("retry: {attempts: 2, delay: 1s}", "retry: {attempts: 1}")
    tests = f"""\
  - name: one
    mock: {{restart: {{error: unknown, then: [{{}}]}}}}
    {APPROVED}
    settle:
      - {{step: restart, happened: {word}, by: vic, rejected: the role responder is needed}}
      - {{step: restart, happened: {word}, by: bo, after: 5m}}
    expect:
      state: holding
      steps: {{restart: succeeded}}
      calls: [{{step: resize}}{", {step: restart}" * calls}]
      messages: [It may have happened, {message!r}]
"""
    assert failures(tmp_path, tests, runbook) == [()]


def test_what_is_seen_is_the_same_each_time(tmp_path: Path) -> None:
    """Also after deaths, to the millisecond."""
    tests = CASES["a death after each write changes nothing"]
    (one,), (other,) = performed(tmp_path, tests), performed(tmp_path, tests)
    assert one.seen.view == other.seen.view
    assert one.seen.calls == other.seen.calls
    assert one.seen.deaths == other.seen.deaths
    assert len(one.seen.deaths) > 20


def test_a_lease_is_renewed_while_the_incident_is_open(tmp_path: Path) -> None:
    """Every third of its time, as the keeper does."""
    (verdict,) = performed(tmp_path, GOOD)
    renewed = [call.at for call in verdict.seen.calls if call.kind == "renew"]
    assert len(renewed) > 30
    assert {later - earlier for earlier, later in pairwise(renewed)} == {20.0}


def test_real_rules_fire_the_alert(tmp_path: Path) -> None:
    """With their `for` and labels; and they end it."""
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: g, rules: [{alert: Slow, expr: up == 1, for: 10s, labels: {severity: high}}]}]\n"
    )
    head = HEAD.replace("alert: {labels: {alertname: Slow, cluster: a}, at: 10s}\n", "").replace(
        "values: 1x7200", "values: 0x9 1x50 0x7200", 1
    )
    tests = """\
  - {name: one, rules: rules.yaml, stop_at: 3m, expect: {state: cancelled, messages: [Slow, Resolved]}}
"""
    runbook = RUNBOOK.replace("> 1.0", ">= 1.0")
    head = head.replace("  - {series: 'up{cluster=\"b\"}', values: 1x7200}\n", "")
    (verdict,) = performed(tmp_path, tests, runbook, head)
    assert verdict.failures == ()
    assert verdict.seen.runs[0].created_at - verdict.seen.start_s == 20.0


def test_a_mock_that_says_too_little_is_told_what_to_say(tmp_path: Path) -> None:
    """The value before is the server's, so only the test can know it."""
    ((failure, *_),) = failures(
        tmp_path, "  - {name: one, expect: {state: failed}}\n", head=HEAD.replace("{prior: {in_force: 64}}", "{}")
    )
    assert failure == (
        "the mock of step resize must say what serving.set_batch finds before it acts, 'in_force' among it: "
        "`mock: {resize: {prior: {in_force: …}}}`"
    )
