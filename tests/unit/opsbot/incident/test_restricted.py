"""What is a trust and safety matter, and what everybody else reads of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.action.registry import names_only
from opsbot.incident.restricted import is_matter, is_restricted, needs_trust_and_safety
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView, RunView
from opsbot.runbook.case import announcement_id, approval_id
from opsbot.runbook.loader import load_runbook
from opsbot.slack.restricted import for_everybody
from tests.support.incident_views import OPENED_AT, make_incident, make_run, make_view

RUNBOOKS = Path(__file__).parents[4] / "runbooks"
THEIRS = {"reseller-cohort", "safe-prompt-swap", "safe-prompt"}


def matter(*, requester: str = "") -> RunView:
    """A run that asks trust and safety."""
    return replace(make_run(run_id="run:safe:1"), is_restricted=True, requester=requester)


@pytest.mark.parametrize(
    ("labels", "is_theirs"),
    [
        ({"policy": "jailbreak"}, True),
        ({"team": "trust-and-safety"}, True),
        ({"team": "Trust_And_Safety"}, True),
        ({"policy": ""}, False),
        ({"team": "serving", "alertname": "KVCachePressure"}, False),
    ],
)
def test_alerts_say_so_by_their_labels(labels: dict[str, str], is_theirs: bool) -> None:
    """A policy's finding, or an alert of the team's own."""
    assert is_matter(labels) is is_theirs


def test_shipped_runbooks_are_told_apart() -> None:
    """Exactly those that ask trust and safety alone."""
    found = set()
    for path in [*RUNBOOKS.glob("*.yaml"), *RUNBOOKS.glob("by-hand/*.yaml")]:
        if not path.name.endswith(".test.yaml"):
            runbook = load_runbook(path, names_only())[0]
            assert runbook is not None
            if needs_trust_and_safety(runbook.source_json):
                found.add(runbook.runbook_id)
    assert found == THEIRS


@pytest.mark.parametrize("text", ["", "[]", "{", '{"steps": 1}', '{"steps": [1, {"approval": null}]}'])
def test_a_runbook_that_cannot_be_read_is_no_matter(text: str) -> None:
    """Whatever an older version has stored must not stop an incident from being told."""
    assert needs_trust_and_safety(text) is False


def test_an_incident_is_a_matter_by_what_it_is_there_for() -> None:
    """By its own run, or by a run that nobody asked for; not by one that a person started for it."""
    of_alert = make_view()
    assert not is_restricted(of_alert)
    assert is_restricted(replace(of_alert, runs=(matter(),)))
    assert not is_restricted(replace(of_alert, runs=(matter(requester="U1"),)))
    by_hand = make_view(replace(make_incident(), num_alerts=0, num_firing=0))
    assert is_restricted(replace(by_hand, runs=(matter(requester="U1"),)))


def test_a_matter_within_another_incident_is_taken_out_of_it() -> None:
    """The run, its entries, and what people decided about it; everything else stays."""
    run = matter(requester="U1")
    step = run.steps[0].step_id
    hidden = [f"{run.run_id}:started", f"{approval_id(run.run_id, step)}:granted:U2"]
    hidden += [f"{approval_id(run.run_id, step, 3)}:refused:U2", f"{announcement_id(run.run_id, step)}:objected:U3"]
    shown = ["INC-1:opened", "run-1:started", "run:safe:11:started"]
    entries = tuple(TimelineEntry(key, "INC-1", OPENED_AT, "opsbot", "kind", key) for key in hidden + shown)
    view: IncidentView = replace(make_view(runs=[make_run(), run]), timeline=entries)
    seen = for_everybody(view)
    assert [one.run_id for one in seen.runs] == ["run-1"]
    assert [entry.key for entry in seen.timeline] == shown
    assert for_everybody(make_view()) == make_view()
