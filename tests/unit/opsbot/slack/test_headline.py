"""What a half-awake reader sees first: what is wrong, then what is being done."""

from __future__ import annotations

import dataclasses

import pytest

from opsbot.incident.incident import Hold, HoldKind, IncidentState
from opsbot.incident.view import AnnouncementView, EscalationView, HaltView, IncidentView, RunView, StepView
from opsbot.slack.doing import doing
from opsbot.slack.headline import SEEN_AT_ONCE, fallback, header, headline
from tests.support.incident_views import OPENED_AT, make_approval, make_incident, make_run, make_view


@pytest.mark.parametrize(
    ("title", "cluster", "expected"),
    [
        ("KV cache pressure on eu-1", "eu-1", "Critical: KV cache pressure on eu-1"),
        ("KV cache pressure", "eu-1", "Critical on eu-1: KV cache pressure"),
        ("A very long title that says where it is only at its end, on eu-1", "eu-1",
         "Critical on eu-1: A very long title that says where it is only at its end, on eu-1"),
        ("Nothing is scraped", "", "Critical: Nothing is scraped"),
    ],
)  # fmt: skip
def test_severity_what_and_where_are_within_what_a_phone_shows(title: str, cluster: str, expected: str) -> None:
    """The cluster stands in front unless the title says it early enough."""
    incident = dataclasses.replace(make_incident(title=title), labels={"cluster": cluster})
    assert headline(incident) == expected
    assert cluster in expected[:SEEN_AT_ONCE]


@pytest.mark.parametrize("state", list(IncidentState))
def test_no_state_is_told_by_a_symbol_alone(state: IncidentState) -> None:
    """The notification has words for it and no symbol; the header has both."""
    incident = make_incident(state, resolved_at=OPENED_AT + 60 if state is IncidentState.RESOLVED else None)
    text = fallback(make_view(incident), OPENED_AT)
    assert text.isascii()
    assert state.value in text.lower()
    assert header(incident)[2:] == headline(incident)


def test_the_notification_says_that_nothing_is_known_and_nothing_runs() -> None:
    """What would make a reader misjudge everything else."""
    view = make_view(make_incident(is_blind=True))
    view = dataclasses.replace(view, halt=HaltView("the region is down", "U1", OPENED_AT))
    text = fallback(view, OPENED_AT)
    assert "No metrics: its state is held, not known. All runs are stopped." in text


SAID = AnnouncementView("ann-1", "run-1", "b", "eu-1 is drained.", False, OPENED_AT, OPENED_AT + 60, ())
HOLD = Hold(HoldKind.FLAPPING, "It comes and goes", OPENED_AT + 600)


def step(state: str) -> tuple[StepView, ...]:
    """One step in that state."""
    return (StepView("b", "Resize the batch", "serving.set_batch", state),)


@pytest.mark.parametrize(
    ("runs", "label", "text"),
    [
        ((), "Needs a person", "the bot does nothing by itself, and nobody has it yet"),
        ((make_run("running", steps=step("acting")),), "Now", "Resize the batch, acting (Relieve KV cache pressure)"),
        ((make_run("running", steps=step("verifying")),), "Now",
         "Resize the batch, verifying (Relieve KV cache pressure)"),
        ((make_run("queued", steps=step("pending")),), "About to start", "Relieve KV cache pressure"),
        ((make_run(approvals=[make_approval()]),), "Waits for approval", "Resize the batch of local from 32 to 8"),
        ((dataclasses.replace(make_run(), announcements=(SAID,)),), "Announced",
         "eu-1 is drained, unless somebody objects"),
        ((make_run("waiting", steps=step("unknown")),), "Needs a person",
         "nobody knows whether “Resize the batch” happened (Relieve KV cache pressure)"),
        ((dataclasses.replace(make_run("running"), paused_by="U1"),), "Paused",
         "Relieve KV cache pressure; Resume in its menu lets it go on"),
        ((make_run("holding"),), "Done", "Relieve KV cache pressure holds its change until the incident ends"),
        ((dataclasses.replace(make_run("failed"), detail="the server refused."),), "Needs a person",
         "Relieve KV cache pressure failed: the server refused"),
        ((make_run("failed"), make_run("running", run_id="run-2", name="Shed", steps=step("acting"))), "Now",
         "Resize the batch, acting (Shed)"),
    ],
)  # fmt: skip
def test_what_is_being_done_in_one_line(runs: tuple[RunView, ...], label: str, text: str) -> None:
    """What waits for somebody first, then what goes on, then what is done."""
    found = doing(make_view(runs=runs), OPENED_AT)
    assert (found.label, found.text) == (label, text)


@pytest.mark.parametrize(
    ("view", "label"),
    [
        (make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U1")), "In hand"),
        (make_view(make_incident(IncidentState.MITIGATED)), "Watching"),
        (make_view(dataclasses.replace(make_incident(IncidentState.MITIGATED), hold=HOLD)), "Watching"),
        (make_view(dataclasses.replace(make_incident(), merged_into="INC-7")), "Dealt with under"),
        (IncidentView(make_incident(), (), (), escalation=EscalationView("p", "unanswered", 2, 2, (), None)),
         "Nobody answered"),
    ],
)  # fmt: skip
def test_what_is_being_done_without_a_run(view: IncidentView, label: str) -> None:
    """Each state has words of its own."""
    assert doing(view, OPENED_AT).label == label


def test_an_expired_approval_is_no_longer_waited_for() -> None:
    """Then the run's own state is what is said."""
    view = make_view(runs=[make_run(approvals=[make_approval(expires_at=OPENED_AT)])])
    assert doing(view, OPENED_AT + 1).label == "Now"
