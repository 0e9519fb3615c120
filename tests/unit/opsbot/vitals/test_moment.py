"""Which moments of an incident stand beside its numbers."""

from __future__ import annotations

from dataclasses import replace

from opsbot.incident.incident import IncidentState
from opsbot.vitals.moment import MOST, moments_of
from tests.support.incident_views import OPENED_AT, make_entry, make_incident, make_run, make_view


def test_each_step_has_its_name_and_what_became_of_it() -> None:
    """Done, failed and undone, in order; what is only read, and a second acknowledgement, are left out."""
    timeline = [
        make_entry("a", kind="incident.opened"),
        make_entry("b", "taken", kind="incident.acknowledged", at=OPENED_AT + 10),
        make_entry("c", "taken", kind="incident.acknowledged", at=OPENED_AT + 20),
        make_entry("run-1:current:acted:1", "It is 0.93.", kind="step.read", at=OPENED_AT + 25),
        make_entry("run-1:smaller_batch:acted:1", "Resized.", kind="step.acted", at=OPENED_AT + 30),
        make_entry("run-1:smaller_batch:undone", "Undone.", kind="step.undone", at=OPENED_AT + 60),
        make_entry("run-9:x:failed", "Somebody else's step broke", kind="step.failed", at=OPENED_AT + 40),
    ]
    incident = make_incident(IncidentState.RESOLVED, resolved_at=OPENED_AT + 90)
    found = moments_of(make_view(incident, [make_run()], timeline))
    assert [(round(one.at - OPENED_AT), one.kind, one.text) for one in found] == [
        (0, "opened", "opened"),
        (10, "acknowledged", "acknowledged"),
        (30, "done", "Resize the batch"),
        (40, "failed", "failed: Somebody else's step broke"),
        (60, "undone", "undone: Resize the batch"),
        (90, "resolved", "resolved"),
    ]


def test_of_many_the_first_and_the_latest_are_kept() -> None:
    """More would hide the lines."""
    entries = [
        make_entry(f"run-1:smaller_batch:{number}", kind="step.acted", at=OPENED_AT + number) for number in range(1, 30)
    ]
    found = moments_of(replace(make_view(runs=[make_run()]), timeline=tuple(entries)))
    assert len(found) == MOST
    assert found[0].kind == "opened"
    assert [round(one.at - OPENED_AT) for one in found[1:]] == [23, 24, 25, 26, 27, 28, 29]
