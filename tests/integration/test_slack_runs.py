"""Buttons, menus, dialogs and commands about runs over a real Socket Mode connection."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from opsbot.clock import SystemClock
from opsbot.errors import InvalidTransition
from opsbot.incident.handle import PREFIX, digits_of
from opsbot.incident.view import AnnouncementView, StepView
from opsbot.slack.app import SlackSettings
from opsbot.slack.dialogs.subject import Subject
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, CHANNEL, SmallSlack, small_slack

pytestmark = pytest.mark.integration

REFERENCE = PREFIX + digits_of("run-1")


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


@pytest.fixture
async def core(slack: SmallSlack) -> AsyncIterator[Core]:
    """A connected role whose INC-1 stands in the channel, with a run that asks everything."""
    now = SystemClock().now()
    approval = dataclasses.replace(make_approval(expires_at=now + 600), count=2)
    said = AnnouncementView("ann-1", "run-1", "drain", "eu-1 is drained", True, now, now + 300, ())
    steps = [
        StepView("lost", "Limit the batch", "x.y", "unknown", "no answer"),
        StepView("next", "Drain eu-1", "x.y", "pending"),
    ]
    core = Core()
    run = dataclasses.replace(make_run(steps=steps, approvals=[approval]), announcements=(said,))
    core.show(make_view(runs=[run]))
    async with running_role(core, SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        yield core


async def press(slack: SmallSlack, user: str, action_id: str, value: str) -> None:
    """Press on the incident's message."""
    await slack.press(user, action_id, value, message_ts=slack.messages[0]["ts"])


async def choose(slack: SmallSlack, user: str, value: str) -> None:
    """Choose an entry of the run's menu."""
    action = {
        "type": "overflow", "action_id": "run.menu", "block_id": "b", "action_ts": f"{value}.1",
        "selected_option": {"text": {"type": "plain_text", "text": "x"}, "value": value},
    }  # fmt: skip
    await slack.send(
        "interactive",
        {
            "type": "block_actions",
            "user": {"id": user},
            "team": {"id": "T1"},
            "trigger_id": "t-1",
            "container": {"type": "message", "message_ts": slack.messages[0]["ts"], "channel_id": CHANNEL},
            "actions": [action],
        },
    )


async def submit(slack: SmallSlack, user: str, view: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Fill in a dialog."""
    filled = {**view, "id": "V7", "state": {"values": values}}
    await slack.send(
        "interactive",
        {"type": "view_submission", "user": {"id": user}, "team": {"id": "T1"}, "view": filled},
        times=2,
    )


def typed(text: str) -> Mapping[str, Any]:
    """What stands in a dialog's field for the reason."""
    return {"reason": {"reason": {"type": "plain_text_input", "value": text}}}


@pytest.mark.parametrize(
    ("action_id", "value", "call"),
    [
        ("announcement.capacity", "ann-1", ("offer", "ann-1")),
        ("step.happened", f"{REFERENCE} lost", ("happened", f"{REFERENCE} lost")),
        ("step.not_happened", f"{REFERENCE} lost", ("not happened", f"{REFERENCE} lost")),
    ],
)
async def test_every_button_calls_its_command(
    slack: SmallSlack, core: Core, action_id: str, value: str, call: tuple[str, str]
) -> None:
    """With what it carries and the person who pressed, who hears what came of it."""
    await press(slack, "U0ONCALL", action_id, value)
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [(*call, "U0ONCALL")]
    assert slack.ephemerals[0]["user"] == "U0ONCALL"


@pytest.mark.parametrize(
    ("verb", "values", "call"),
    [
        ("pause", typed("wait"), ("pause", f"{REFERENCE} wait")),
        (
            "skip",
            {**typed("by hand"), "step": {"step": {"type": "static_select", "selected_option": {"value": "next"}}}},
            ("skip", f"{REFERENCE} next by hand"),
        ),
    ],
)
async def test_a_menus_entry_opens_a_dialog_that_calls_its_command_once(
    slack: SmallSlack, core: Core, verb: str, values: Mapping[str, Any], call: tuple[str, str]
) -> None:
    """The dialog is answered in the channel where the menu was, however often Slack delivers it."""
    await choose(slack, "U0ONCALL", f"{verb} {REFERENCE}")
    await until(lambda: bool(slack.dialogs))
    view = slack.dialogs[0]["view"]
    assert slack.dialogs[0]["trigger_id"] == "t-1"
    assert len(view["title"]["text"]) <= 24
    assert core.commands.calls == []
    await submit(slack, "U0ONCALL", view, values)
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [(*call, "U0ONCALL")]
    assert slack.ephemerals[0]["channel"] == CHANNEL


@pytest.mark.parametrize(
    ("action_id", "value", "user", "said"),
    [
        ("approval.glass", "apr-1", "U0ONCALL", "the role commander is needed; Name of U0ONCALL has responder"),
        ("run.menu", f"pause {REFERENCE}", "U0STRANGER", "the role responder is needed; Name of U0STRANGER has none"),
        ("run.menu", "pause r-123456", "U0ONCALL", "there is no run r-123456"),
    ],
)
async def test_no_dialog_opens_where_nothing_can_come_of_it(
    slack: SmallSlack, core: Core, action_id: str, value: str, user: str, said: str
) -> None:
    """The person hears why at once, before they have typed anything."""
    await (choose(slack, user, value) if action_id == "run.menu" else press(slack, user, action_id, value))
    await until(lambda: bool(slack.ephemerals))
    assert said in slack.ephemerals[0]["text"]
    assert slack.dialogs == []


async def test_a_dialog_that_slack_does_not_open_is_told(slack: SmallSlack, core: Core) -> None:
    """Its trigger was too old."""
    slack.faults["views.open"] = ["expired_trigger_id"]
    await choose(slack, "U0ONCALL", f"pause {REFERENCE}")
    await until(lambda: bool(slack.ephemerals))
    assert slack.ephemerals[0]["text"].startswith("Slack did not open the dialog; press again")


async def test_a_dialog_that_is_too_late_says_why(slack: SmallSlack, core: Core) -> None:
    """The run ended while somebody typed."""
    await choose(slack, "U0ONCALL", f"pause {REFERENCE}")
    await until(lambda: bool(slack.dialogs))
    core.commands.error = InvalidTransition("r-4e65d3 is succeeded and makes no step that could be paused")
    await submit(slack, "U0ONCALL", slack.dialogs[0]["view"], typed("wait"))
    await until(lambda: bool(slack.ephemerals))
    assert slack.ephemerals[0]["text"].startswith("r-4e65d3 is succeeded")


async def test_resume_needs_no_dialog(slack: SmallSlack, core: Core) -> None:
    """It takes nothing back that could not be paused again."""
    await choose(slack, "U0ONCALL", f"resume {REFERENCE}")
    await until(lambda: bool(slack.ephemerals))
    assert core.commands.calls == [("resume", REFERENCE, "U0ONCALL")]


async def test_a_command_starts_a_run_once_for_each_time_it_is_typed(slack: SmallSlack, core: Core) -> None:
    """The request id is of the command as Slack delivered it."""
    for _ in range(2):
        await slack.type("U0ONCALL", "run drain cluster=eu-1 limit=8 for INC-1")
    await until(lambda: len(slack.responses) == 2)
    first, second = core.commands.requests
    assert (first.runbook_id, first.cluster, dict(first.inputs), first.incident_id) == (
        "drain", "eu-1", {"limit": "8"}, "INC-1"
    )  # fmt: skip
    assert first.request_id != second.request_id


def test_a_dialogs_subject_survives_the_way_through_slack() -> None:
    """Dumped and loaded; what is none of ours is refused."""
    subject = Subject("pause", REFERENCE, CHANNEL, "1.5")
    assert Subject.load(subject.dump()) == subject
    for text in ("[]", "null", '{"verb": 1, "x": 2}'):
        with pytest.raises(TypeError):
            Subject.load(text)
