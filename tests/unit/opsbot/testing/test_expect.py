"""A test that fails says what was expected, what was seen, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.testing import report
from tests.support.runbook_tests import failures, performed

RUN = "approve: [{step: resize, by: ana, after: 20s}], resolve: 15m"

DIFFERENCES = {
    "state": ("state: failed", "state: expected failed, was succeeded (the incident has ended)"),
    "detail": ("detail: lost", "detail: expected 'lost' in 'the incident has ended'"),
    "incident": ("incident: mitigated", "incident: expected mitigated, was resolved"),
    "steps": ("steps: {look: failed}", "steps: expected look failed, was succeeded (sum(up) is 2)"),
    "outputs": ("outputs: {resize: {limit: 9}}", "outputs: expected resize.limit 9, was 8"),
    "duration": ("duration: 1m", "duration: expected at most 1m, was 2m23s"),
    "undone": ("undone: []", "undone: - expected, + seen\n+ resize"),
    "calls": (
        "calls: [{step: resize, with: {limit: 9}}]",
        'calls: - expected, + seen\n- resize (any action) {"limit": 9}\n'
        '+ resize serving.set_batch {"cluster": "a", "limit": 8, "mode": "finish", "on_end": "release"}\n'
        '+ restart serving.restart {"cluster": "a", "drain_timeout": "1m", "when": "now"}',
    ),
    "approvals": (
        "approvals: [{step: resize, role: commander}]",
        "approvals: - expected, + seen\n- resize commander\n+ resize responder granted set the batch limit of a from "
        "64 to 8 for 1m at a time, renewed while the incident is open",
    ),
    "messages": (
        'messages: ["Verified:", "Granted:"]',
        "messages: not on the timeline after “Verified: all are up (held for 3s)”: Granted:; it is there, but earlier",
    ),
    "a pattern": ("messages: [/^Grant$/]", "messages: not on the timeline: /^Grant$/"),
    "no_messages": (
        "no_messages: [Verified]",
        "no_messages: Verified is on the timeline: Verified: all are up (held for 3s)",
    ),
}


@pytest.mark.parametrize(("expected", "failure"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_difference_is_told_with_both_sides(expected: str, failure: str, tmp_path: Path) -> None:
    """One failure for one expectation."""
    assert failures(tmp_path, f"  - {{name: one, {RUN}, expect: {{{expected}}}}}\n") == [(failure,)]


@pytest.mark.parametrize(
    ("tests", "failure"),
    [
        (
            "alert: {labels: {alertname: Other}}, expect: {steps: {}}",
            "the alert started no run: no trigger of the runbook matches its labels",
        ),
        ("expect: {state: not_started}", "state: expected not_started, was cancelled (nobody approved in time)"),
        (
            "approve: [{step: resize, by: vic}], expect: {state: cancelled}",
            "approve resize by vic was not accepted: to approve this step, the role responder is needed; "
            "vic has viewer. Roles are given in opsbot.yaml under `people`",
        ),
        (
            "approve: [{step: resize, rejected: 'no right'}], object: [{step: restart}], expect: {state: holding}",
            "approve resize by somebody was accepted, and was to be rejected with 'no right'",
        ),
        ("object: [{step: restart, by: bo}], expect: {state: cancelled}", "object restart by bo: nobody asked for it"),
    ],
)
def test_what_could_not_be_done_is_a_failure(tests: str, failure: str, tmp_path: Path) -> None:
    """A test that does not do what it says shows nothing."""
    assert failures(tmp_path, f"  - {{name: one, {tests}}}\n") == [(failure,)]


def test_the_timeline_is_shown_with_what_was_found_and_what_is_missing(tmp_path: Path) -> None:
    """In virtual time; what is missing stands where it was looked for."""
    (verdict,) = performed(
        tmp_path,
        "  - {name: one, deny: [{step: resize, by: cod, after: 75s}], expect: {messages: [sum, Lost, Refused]}}\n",
    )
    place = f"{tmp_path}/relief.test.yaml:11"
    lines = list(report.failure(verdict))
    assert lines[0].startswith(f"FAILED {place} one (1:26 in ")
    assert lines[1:] == [
        "  messages: not on the timeline after “sum(up) is 2”: Lost",
        "  timeline:",
        "        0:10  Slow fires: Slow",
        "        0:10  Runbook “Relief” matches and is started",
        "  ✓     0:10  sum(up) is 2",
        "  ✗           expected: Lost",
        "        0:10  Asked responders to approve: set the batch limit of a from 64 to 8 for 1m at a time, renewed "
        "while the incident is open. Afterwards: ends by itself 1m after the…",
        "  ✓     1:25  cod: Refused: set the batch limit of a from 64 to 8 for 1m at a time, renewed while the "
        "incident is open",
        "        1:25  sum(up) is 2",
        "        1:25  Runbook ended (cancelled): refused by cod",
        "  run: cancelled (refused by cod); steps: read succeeded, resize skipped, restart pending, look succeeded",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00"), (59.5, "0:59.5"), (61.0, "1:01"), (3723.0, "1:02:03"), (86_400.0, "24:00:00")]
)
def test_virtual_time_is_shown_as_people_say_it(seconds: float, text: str) -> None:
    """From the beginning of the test."""
    assert report.stamp(seconds) == text
