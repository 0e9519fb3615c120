"""Dialogs that ask before something is done, over a real Socket Mode connection: opened, submitted, late, lost."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from opsbot.clock import SystemClock
from opsbot.errors import ApprovalError, InvalidTransition
from opsbot.incident.handle import PREFIX, digits_of
from opsbot.incident.view import StepView
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.preview import Preview, PreviewStep
from opsbot.slack.app import SlackSettings
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, CHANNEL, SmallSlack, small_slack

pytestmark = pytest.mark.integration

REFERENCE = PREFIX + digits_of("run-1")
STEPS = (StepView("smaller_batch", "Resize the batch", "serving.set_batch", "acting"),)


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port that knows two people by name."""
    async with small_slack() as peer:
        peer.names = {"U0ONCALL": "Olga", "U0COMMANDER": "Carla", "U0STRANGER": "Sam"}
        yield peer


@pytest.fixture
async def core(slack: SmallSlack) -> AsyncIterator[Core]:
    """A connected role whose INC-1 stands in the channel with an open approval."""
    core = Core()
    core.show(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    async with running_role(core, SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        yield core


def plan(now: str = "32") -> Preview:
    """A plan whose knob is at *now*."""
    turn = KnobTurn("local/batch_limit", now, "8")
    step = PreviewStep("Resize the batch", "serving.set_batch", f"set the batch from {now} to 8", turns=(turn,))
    return Preview("approve", "apr-1", "“Relieve” for INC-1", (step,), undo="Undo.", run_id="run-1")


async def opened(slack: SmallSlack, user: str, action_id: str, value: str) -> str:
    """Press, and wait for the dialog; answers its id."""
    known = set(slack.views)
    await slack.press(user, action_id, value, message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(set(slack.views) - known) or bool(slack.ephemerals))
    (view_id,) = set(slack.views) - known
    return view_id


def text_of(slack: SmallSlack, view_id: str) -> str:
    """All that a dialog says."""
    return json.dumps(slack.views[view_id], ensure_ascii=False)


def because(reason: str) -> Mapping[str, Any]:
    """The field for a reason, filled in."""
    return {"reason": {"reason": {"type": "plain_text_input", "value": reason}}}


def chosen(value: str) -> Mapping[str, Any]:
    """A menu's field, with what was chosen."""
    return {"pick": {"type": "static_select", "selected_option": {"value": value}}}


async def until_says(slack: SmallSlack, view_id: str, text: str) -> None:
    """Wait until the dialog says it."""
    await until(lambda: view_id in slack.views and text in text_of(slack, view_id))


@pytest.mark.parametrize(
    ("action_id", "value", "user", "reason", "call", "said"),
    [
        ("approval.grant", "apr-1", "U0ONCALL", "", ("grant", "apr-1"), "Approved."),
        ("approval.glass", "apr-1", "U0COMMANDER", "it burns", ("glass", "apr-1 it burns"), "Approved alone."),
        ("run.undo", "run-1", "U0ONCALL", "", ("undo", "run-1"), "Being taken back."),
        ("run.undo.1", "run-1", "U0ONCALL", "", ("undo", "run-1"), "Being taken back."),
        ("announcement.object", "ann-1", "U0ONCALL", "", ("object", "ann-1"), "Objected."),
        ("announcement.now", "ann-1", "U0COMMANDER", "", ("go now", "ann-1"), "No more countdown."),
        ("incident.menu", "resolve INC-1", "U0ONCALL", "it is calm", ("resolve", "INC-1 it is calm"), "Resolved."),
        ("halt.stop_all", "all", "U0COMMANDER", "region down", ("stop all", "region down"), "All runs are stopped."),
        ("halt.go_on", "all", "U0COMMANDER", "", ("go on", ""), "Runs go on."),
        ("run.start", "drain INC-1", "U0ONCALL", "", ("start", "drain"), "Started."),
    ],
)
async def test_every_risky_button_shows_its_plan_and_then_does_it(
    slack: SmallSlack, core: Core, action_id: str, value: str, user: str, reason: str, call: tuple[str, str], said: str
) -> None:
    """Nothing is called before the dialog is submitted; what came of it stands where the plan stood."""
    view_id = await opened(slack, user, action_id, value)
    shown = text_of(slack, view_id)
    assert "`local/batch_limit`  *32* → *8*" in shown
    assert "*Taken back*" in shown
    assert "Plan `" in shown
    assert core.commands.calls == []
    reply = await slack.submit(user, view_id, because(reason) if reason else None)
    assert reply["response_action"] == "update"
    await until_says(slack, view_id, said)
    assert core.commands.calls == [(*call, user)]
    assert slack.ephemerals == []


async def test_the_menu_cancels_through_the_same_dialog(slack: SmallSlack, core: Core) -> None:
    """With a reason."""
    action = {
        "type": "overflow", "action_id": "run.menu", "block_id": "b", "action_ts": "1.1",
        "selected_option": {"text": {"type": "plain_text", "text": "x"}, "value": f"cancel {REFERENCE}"},
    }  # fmt: skip
    container = {"type": "message", "message_ts": slack.messages[0]["ts"], "channel_id": CHANNEL}
    await slack.send(
        "interactive",
        {
            "type": "block_actions", "user": {"id": "U0ONCALL"}, "team": {"id": "T1"}, "trigger_id": "t",
            "container": container, "actions": [action],
        },
    )  # fmt: skip
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    await slack.submit("U0ONCALL", view_id, because("enough"))
    await until_says(slack, view_id, "Cancelled.")
    assert core.commands.calls == [("cancel", f"{REFERENCE} enough", "U0ONCALL")]


async def test_a_slow_look_shows_that_it_looks(slack: SmallSlack, core: Core) -> None:
    """The dialog is there within the three seconds that Slack gives it; the plan follows."""
    core.commands.look_takes_s = 1.0
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    assert "Looking at what is in force now" in text_of(slack, view_id)
    assert "submit" not in slack.views[view_id]
    await until_says(slack, view_id, "`local/batch_limit`  *32* → *8*")
    assert slack.views[view_id]["submit"]["text"] == "Approve"


async def test_a_plan_that_changed_is_shown_anew_and_nothing_is_done(slack: SmallSlack, core: Core) -> None:
    """It says what has changed; the second yes is to the second plan."""
    core.commands.previews["approve"] = plan("32")
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    core.commands.previews["approve"] = plan("16")
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "Nothing was done: this has changed since you looked")
    assert "local/batch_limit is 16 now; it was 32." in text_of(slack, view_id)
    assert core.commands.calls == []
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "Approved.")
    assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]


async def test_what_was_typed_survives_a_changed_plan(slack: SmallSlack, core: Core) -> None:
    """Nobody types a reason twice at night."""
    view_id = await opened(slack, "U0COMMANDER", "approval.glass", "apr-1")
    core.commands.previews["glass"] = dataclasses.replace(plan("16"), verb="glass")
    await slack.submit("U0COMMANDER", view_id, because("nobody else is awake"))
    await until_says(slack, view_id, "Nothing was done")
    assert slack.views[view_id]["blocks"][-1]["element"]["initial_value"] == "nobody else is awake"


@pytest.mark.parametrize(("reason", "complaint"), [("   ", "Say why"), ("x" * 501, "At most 500 characters; this is")])
async def test_a_mistake_is_told_under_its_field(slack: SmallSlack, core: Core, reason: str, complaint: str) -> None:
    """The dialog stays open with what was typed; a second try works."""
    view_id = await opened(slack, "U0COMMANDER", "approval.glass", "apr-1")
    reply = await slack.submit("U0COMMANDER", view_id, because(reason))
    assert reply["response_action"] == "errors"
    assert complaint in reply["errors"]["reason"]
    assert core.commands.calls == []
    await slack.submit("U0COMMANDER", view_id, because("it burns"))
    await until_says(slack, view_id, "Approved alone.")


async def test_a_double_submit_is_one_act(slack: SmallSlack, core: Core) -> None:
    """Slack delivers the same submission again: done once, and the outcome stays."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    view = {**slack.views[view_id], "state": {"values": {}}}
    payload = {"type": "view_submission", "user": {"id": "U0ONCALL"}, "team": {"id": "T1"}, "view": view}
    payload["trigger_id"] = "t-of-the-submission"
    await slack.send("interactive", payload)
    await until_says(slack, view_id, "Approved.")
    reply = await slack.send("interactive", payload)
    assert "Approved." in json.dumps(reply["view"], ensure_ascii=False)
    await asyncio.sleep(0.2)
    assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]


async def test_a_press_without_the_right_says_who_may_by_name(slack: SmallSlack, core: Core) -> None:
    """No dialog opens, and nobody is mentioned."""
    core.commands.able = ("U0COMMANDER", "@incident-leads")
    await slack.press("U0ONCALL", "approval.glass", "apr-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    text = slack.ephemerals[0]["text"]
    assert "the role commander is needed; Olga has responder. Who may: Carla, @incident-leads. Ask one of them" in text
    assert "<@" not in text
    assert slack.views == {}


async def test_the_right_is_looked_at_again_when_it_is_submitted(slack: SmallSlack, core: Core) -> None:
    """Somebody else submits the dialog, or the role was taken away meanwhile."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    core.commands.able = ("U0ONCALL",)
    await slack.submit("U0STRANGER", view_id)
    await until_says(slack, view_id, "Nothing was done.")
    assert "Sam has none. Who may: Olga. Ask them." in text_of(slack, view_id)
    assert core.commands.calls == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ApprovalError("<@U0COMMANDER> has granted this already; the run goes on"), "Carla has granted this already"),
        (InvalidTransition("INC-1 is resolved already; nothing is left to do here"), "INC-1 is resolved already"),
        (ApprovalError("this approval has expired and nothing was done"), "has expired and nothing was done"),
    ],
)
async def test_whoever_is_too_late_hears_why_in_the_dialog(
    slack: SmallSlack, core: Core, error: Exception, said: str
) -> None:
    """It was decided, or its incident ended, while the dialog was open."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    core.commands.preview_error = error
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "Nothing was done.")
    assert said in text_of(slack, view_id)
    assert "<@" not in text_of(slack, view_id)
    assert core.commands.calls == []


async def test_a_trigger_that_is_too_old_names_the_command(slack: SmallSlack, core: Core) -> None:
    """The three seconds are over: what to type does the same."""
    slack.faults["views.open"] = ["expired_trigger_id"]
    await slack.press("U0ONCALL", "run.undo", "run-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert "nothing was done. Press again, or type `/ops undo run-1`" in slack.ephemerals[0]["text"]


async def test_an_outcome_of_a_closed_dialog_is_told_in_the_channel(slack: SmallSlack, core: Core) -> None:
    """Nobody is left without an answer."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    core.commands.look_takes_s = 0.3
    await slack.submit("U0ONCALL", view_id)
    await slack.close_view("U0ONCALL", view_id)
    await until(lambda: bool(slack.ephemerals))
    assert slack.ephemerals[0]["text"] == "Approval apr-1 is recorded."
    assert slack.ephemerals[0]["channel"] == CHANNEL


async def test_an_error_inside_is_told_and_the_next_press_works(slack: SmallSlack, core: Core) -> None:
    """The dialog does not turn for ever."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    core.commands.error = RuntimeError("disk full")
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "an error inside opsbot")
    second = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    await slack.submit("U0ONCALL", second)
    await until_says(slack, second, "Approved.")


async def test_the_outcome_follows_the_run_and_stops_when_it_rests(slack: SmallSlack, core: Core) -> None:
    """The step is verified while somebody looks at it."""
    core.commands.views = [make_view(runs=[make_run("running", steps=STEPS)])]
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "Kept up to date while this is open")
    done = (dataclasses.replace(STEPS[0], state="succeeded", detail="limit 8"),)
    core.commands.views = [make_view(runs=[make_run("holding", steps=done)])]
    await until_says(slack, view_id, "limit 8")
    assert "not kept up to date any more" in text_of(slack, view_id)


async def test_nobody_follows_what_was_closed(slack: SmallSlack, core: Core) -> None:
    """Once it is closed, Slack is not asked again."""
    core.commands.views = [make_view(runs=[make_run("running", steps=STEPS)])]
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    await slack.submit("U0ONCALL", view_id)
    await until_says(slack, view_id, "Kept up to date")
    await slack.close_view("U0ONCALL", view_id)
    await asyncio.sleep(0.7)
    calls = slack.calls.count("views.update")
    core.commands.views = [make_view(runs=[make_run("holding", steps=STEPS)])]
    await asyncio.sleep(1.3)
    assert slack.calls.count("views.update") == calls


async def test_hold_and_silence_ask_what_exactly(slack: SmallSlack, core: Core) -> None:
    """With the cluster and the labels of the incident filled in, and mistakes told under their fields."""
    hold = await opened(slack, "U0ONCALL", "incident.menu", "hold INC-1")
    assert slack.views[hold]["blocks"][1]["element"]["initial_option"]["value"] == "local"
    length = {"length": {"length": {"type": "static_select", "selected_option": {"value": "2h"}}}}
    knob = {"cluster": chosen("local"), "knob": chosen("nonsense")}
    reply = await slack.submit("U0ONCALL", hold, {**because("I turn it by hand"), **length, **knob})
    assert set(reply["errors"]) == {"knob"}
    knob["knob"] = chosen("batch_limit")
    await slack.submit("U0ONCALL", hold, {**because("I turn it by hand"), **length, **knob})
    await until_says(slack, hold, "local/batch_limit is held.")

    silence = await opened(slack, "U0ONCALL", "incident.menu", "silence INC-1")
    assert slack.views[silence]["blocks"][1]["element"]["initial_value"] == (
        'alertname="KVCachePressure" cluster="local"'
    )
    what = {"matchers": {"matchers": {"type": "plain_text_input", "value": 'alertname="KVCachePressure" whatever'}}}
    reply = await slack.submit("U0ONCALL", silence, {**because("rack is moved"), **length, **what})
    assert "whatever" in reply["errors"]["matchers"]
    what = {"matchers": {"matchers": {"type": "plain_text_input", "value": 'alertname="KVCachePressure"'}}}
    await slack.submit("U0ONCALL", silence, {**because("rack is moved"), **length, **what})
    await until_says(slack, silence, "SIL-1 is set.")
    assert [call[:2] for call in core.commands.calls] == [
        ("hold", "local/batch_limit 7200 INC-1: I turn it by hand"),
        ("silence", '7200 alertname="KVCachePressure" INC-1: rack is moved'),
    ]


async def test_two_presses_at_once_are_two_dialogs_and_the_second_hears_who_was_first(
    slack: SmallSlack, core: Core
) -> None:
    """Both see the plan; one act."""
    first = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    second = await opened(slack, "U0COMMANDER", "approval.grant", "apr-1")
    await slack.submit("U0ONCALL", first)
    await until_says(slack, first, "Approved.")
    core.commands.error = ApprovalError("<@U0ONCALL> has granted this already")
    await slack.submit("U0COMMANDER", second)
    await until_says(slack, second, "Olga has granted this already")


async def test_injected_text_never_pings(slack: SmallSlack, core: Core) -> None:
    """Labels and reasons come from outside."""
    step = PreviewStep("<!channel> step", "x.y", "set <!here> and <@U0COMMANDER>", ("reason=<!everyone>",))
    core.commands.previews["approve"] = Preview(
        "approve", "apr-1", "<!channel>", (step,), ("<!subteam^S1>",), "<http://x|y>", in_the_way=("<!channel>",)
    )
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    text = text_of(slack, view_id)
    assert "<!" not in text
    assert "<@" not in text
    assert "<http" not in text


@pytest.mark.parametrize("carried", ["", "[]", '{"verb": "explode", "reference": "x"}', '{"verb": 1, "later": 2}'])
async def test_a_dialog_of_another_version_closes_and_says_so(slack: SmallSlack, core: Core, carried: str) -> None:
    """The bot was updated while it was open: acknowledged, nothing done, and told."""
    view_id = await opened(slack, "U0ONCALL", "approval.grant", "apr-1")
    slack.views[view_id] = {**slack.views[view_id], "private_metadata": carried}
    reply = await slack.submit("U0ONCALL", view_id)
    assert reply == {}
    await until(lambda: bool(slack.ephemerals) or bool(slack.homes))
    assert "nothing was done" in json.dumps([*slack.ephemerals, *slack.homes])
    assert core.commands.calls == []


@pytest.mark.parametrize(
    ("verb", "values", "title", "call"),
    [
        ("undo", {"name": REFERENCE}, "Undo this run?", ("undo", REFERENCE)),
        ("cancel", {"name": REFERENCE, "reason": "enough"}, "Cancel this run?", ("cancel", f"{REFERENCE} enough")),
        ("stop", {"reason": "region down"}, "Stop all runs?", ("stop all", "region down")),
        ("run", {"name": "drain", "cluster": "local"}, "Start this runbook?", ("start", "drain")),
    ],
)
async def test_a_form_of_a_risky_verb_ends_in_its_plan(
    slack: SmallSlack, core: Core, verb: str, values: Mapping[str, str], title: str, call: tuple[str, str]
) -> None:
    """What was picked is shown with what it would do; the reason stands there already."""
    where = json.dumps({"verb": verb, "channel": CHANNEL, "thread_ts": None})
    state = {name: {name: {"type": "plain_text_input", "value": value}} for name, value in values.items()}
    form = {"id": "V0", "hash": "h", "callback_id": "ops.form", "private_metadata": where, "state": {"values": state}}
    payload = {"type": "view_submission", "user": {"id": "U0COMMANDER"}, "team": {"id": "T1"}, "trigger_id": "t-9"}
    await slack.send("interactive", {**payload, "view": {"type": "modal", **form}})
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    assert slack.views[view_id]["title"]["text"] == title
    assert core.commands.calls == []
    await slack.submit("U0COMMANDER", view_id, because(values["reason"]) if "reason" in values else None)
    await until(lambda: bool(core.commands.calls))
    assert core.commands.calls == [(*call, "U0COMMANDER")]
    if "reason" in values:
        assert values["reason"] in json.dumps(slack.dialogs[0]["view"])
