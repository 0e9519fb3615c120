"""Every dialog that asks first: within Slack's limits whatever the plan is, and readable for somebody half asleep."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.views import View

from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.preview import VERBS, Preview, PreviewStep
from opsbot.slack.dialogs.forms import FORMS, form_view
from opsbot.slack.dialogs.outcome import failed_view, loading_view, outcome_view, refused_view, working_view
from opsbot.slack.dialogs.plan import MOST_STEPS, plan_view, step_text
from opsbot.slack.dialogs.subject import Subject, start_subject
from opsbot.slack.dialogs.words import WORDS, command_for
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.blocks_view import check_view
from tests.support.incident_views import make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

RESPONDER = Person("U0ONCALL", frozenset({"responder"}))

STEP = PreviewStep(
    "Resize the batch", "serving.set_batch", "set the batch limit of eu-1 from 32 to 8 for 10m at a time",
    ("limit=8", "mode=preempt"), (KnobTurn("eu-1/batch_limit", "32", "8"),), "Undo takes it back to 32 at once",
)  # fmt: skip
PLAN = Preview(
    "approve", "apr-1", "“Relieve the cache” (r-3fa2c1) for INC-1", (STEP,), ("It is verified: the cache is calm.",),
    "`undo r-3fa2c1` takes it back.", "By itself it ends when the incident does.", "responders",
    ("<@U0BEN> has stopped all runs (move): nothing is changed until `go-on`.",),
)  # fmt: skip


def view_of(view: Any) -> dict[str, Any]:
    """The dialog as Slack takes it; raises where Slack would refuse it."""
    plain: dict[str, Any] = view.to_dict()
    return check_view(plain, Surface.MODAL)


def texts(view: dict[str, Any]) -> list[str]:
    """What its sections say."""
    return [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]


def test_an_approval_reads_from_what_is_in_the_way_to_how_it_is_undone() -> None:
    """The whole of it, as somebody reads it."""
    view = view_of(plan_view(Subject("approve", "apr-1"), PLAN, {"U0BEN": "Ben"}))
    assert (view["title"]["text"], view["submit"]["text"], view["close"]["text"]) == (
        "Approve this step?", "Approve", "Not now",
    )  # fmt: skip
    assert texts(view) == [
        "“Relieve the cache” (r-3fa2c1) for INC-1",
        "⚠ *In the way*\n• Ben has stopped all runs (move): nothing is changed until `/ops go-on`.",
        "*This will happen*",
        "*Resize the batch* · `serving.set_batch`\n"
        "`eu-1/batch_limit`  *32* → *8*\n"
        "Set the batch limit of eu-1 from 32 to 8 for 10m at a time\n"
        "_Taken back:_ Undo takes it back to 32 at once\n"
        "_With_ limit=8, mode=preempt",
        "• It is verified: the cache is calm.",
        "*Taken back*\n`/ops undo r-3fa2c1` takes it back.\nBy itself it ends when the incident does.",
        "*Who decides*\nresponders",
    ]
    assert view["blocks"][-1]["elements"][0]["text"].startswith(f"Plan `{PLAN.digest[:4]}…`")
    assert json.loads(view["private_metadata"])["digest"] == PLAN.digest


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_dialog_within_slacks_limits(verb: str) -> None:
    """With a field for the reason where the domain wants one, and a command to type instead."""
    view = view_of(plan_view(Subject(verb, "x-1"), dataclasses.replace(PLAN, verb=verb), {}))  # type: ignore[arg-type]
    assert ("input" in [block["type"] for block in view["blocks"]]) is bool(WORDS[verb].reason)
    assert command_for(verb, "x-1").startswith("/ops ")


@pytest.mark.parametrize("verb", [*VERBS, *FORMS])
def test_every_state_of_a_dialog_is_one_that_slack_takes(verb: str) -> None:
    """Loading, working, refused, failed and done; none of them can be submitted."""
    subject = Subject(verb, "r-3fa2c1", "C1", "1.5")
    run = make_run("running")
    for made in (
        loading_view(subject),
        working_view(subject),
        refused_view(subject, "it is over", {}),
        failed_view(subject, "x" * 5000),
        outcome_view(subject, "done", {}, run, is_live=True),
        outcome_view(subject, "done", {}, None, is_live=False),
    ):
        assert "submit" not in view_of(made)


def test_a_step_whose_value_could_not_be_read_says_so() -> None:
    """Nobody takes silence for a value."""
    step = dataclasses.replace(STEP, turns=(), unread="the value now could not be read: no answer came within 2 s")
    assert "⚠ The value now could not be read: no answer came within 2 s" in step_text(step, {})


def test_a_plan_that_is_too_long_is_cut_with_a_count_and_a_place() -> None:
    """The digest is over all of it."""
    steps = tuple(dataclasses.replace(STEP, name=f"Step {number}") for number in range(40))
    view = view_of(plan_view(Subject("start", "drain"), dataclasses.replace(PLAN, verb="start", steps=steps), {}))
    cut = next(text for text in texts(view) if "more*" in text)
    assert cut.startswith(f"… and *{40 - MOST_STEPS} more*; `opsbot preview start apr-1` at a terminal has all.")


def test_what_changed_stands_first() -> None:
    """Before anything else, with the reason that was typed kept."""
    subject = Subject("glass", "apr-1")
    plan = dataclasses.replace(PLAN, verb="glass")
    view = view_of(plan_view(subject, plan, {}, changed=("eu-1/batch_limit is 16 now; it was 32.",), reason="it burns"))
    assert texts(view)[0].startswith(
        "⚠ *Nothing was done: this has changed since you looked.*\n• eu-1/batch_limit is 16"
    )
    assert view["blocks"][-1]["element"]["initial_value"] == "it burns"


def test_inputs_that_a_dialog_cannot_carry_are_refused_with_a_way_out() -> None:
    """Slack takes 3,000 characters with a dialog."""
    request = RunRequest("drain", "q1", inputs={"why": "x" * 4000})
    with pytest.raises(ConfigError, match="`opsbot run` at a terminal takes them"):
        plan_view(start_subject(request), PLAN, {})


def test_a_start_survives_the_way_through_slack() -> None:
    """The run that is asked for is the run that is started."""
    request = RunRequest("drain", "q1", "eu-1", {"limit": 8}, "INC-1")
    assert Subject.load(start_subject(request, "C1").dump()).ask.request == request


@pytest.mark.parametrize("verb", sorted(FORMS))
def test_forms_are_within_slacks_limits(verb: str) -> None:
    """Whatever the incident is called."""
    incident = make_view(runs=[make_run("holding", name="x" * 500, can_undo=True)])
    form = form_view(seat_of(RecordedCommands()), Subject(verb, "INC-1"), RESPONDER, incident)
    assert isinstance(form, View)
    assert view_of(form)["submit"]["text"]


nasty = st.text(max_size=6000)


@settings(max_examples=60, deadline=None)
@given(
    name=nasty, does=nasty, words=st.lists(nasty, max_size=12), verb=st.sampled_from(VERBS), count=st.integers(0, 60)
)
def test_no_plan_breaks_slacks_limits_or_pings(name: str, does: str, words: list[str], verb: Any, count: int) -> None:
    """Texts of any length and kind: emoji, right to left, control sequences of Slack's."""
    texts_ = tuple(f"{one}<!channel><@U0BEN><http://x|y>" for one in words)
    step = PreviewStep(name, does[:50], f"{does}<!here>", texts_, (KnobTurn(name[:50], does[:20], name[:20]),), does)
    plan = Preview(verb, "x-1", name, (step,) * count, texts_, does, name, does, texts_)
    view = view_of(plan_view(Subject(verb, "x-1"), plan, {}, changed=texts_, reason=does))
    shown = json.dumps(view["blocks"])
    assert "<!" not in shown
    assert "<@" not in shown
    assert "<http" not in shown
