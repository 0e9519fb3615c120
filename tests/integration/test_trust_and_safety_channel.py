"""Trust and safety matters against the bundled workspace: in their private channel, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.models.views import View

from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.slack.app import SlackSettings
from opsbot.slack.commands import answer_to
from opsbot.slack.notifier import MATTER
from opsbot.slack.restricted import seen_by
from opsbot.slack.typed import Typed
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.incident_views import OPENED_AT, make_approval, make_incident, make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.integration

SECRET = "key-4711 resells our model"
RESPONDER = Person("U0ONCALL", frozenset({"responder", "commander"}))
ANALYST = Person("U0SAFETY", frozenset({"trust_and_safety"}))


def settings_of(workspace: Workspace, safety_channel: str) -> SlackSettings:
    """A bot that has *safety_channel* in its settings."""
    return SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "incidents", safety_channel)


def matter(incident_id: str = "INC-2") -> IncidentView:
    """An incident that a policy opened."""
    incident = make_incident(incident_id=incident_id, title=SECRET, description=SECRET)
    return make_view(replace(incident, labels={"alertname": "ResellerSuspected", "policy": "reseller"}))


def entry_of(view: IncidentView, key: str = "e1") -> TimelineEntry:
    """Something that happened to it."""
    return TimelineEntry(key, view.incident.incident_id, OPENED_AT, "opsbot", "run.started", SECRET, is_broadcast=True)


def said(workspace: Workspace, channel: str) -> Sequence[Mapping[str, Any]]:
    """Everything in the channel."""
    return workspace.state.channel(channel).messages


async def test_it_is_said_in_its_own_channel_and_nowhere_else() -> None:
    """Message and thread; the incidents channel has only the other incident."""
    core, other, view = Core(), make_view(), matter()
    core.show(other)
    core.show(view)
    core.tell(entry_of(view))
    async with (
        running(WorkspaceSettings("xoxb-local", "xapp-local", "page")) as workspace,
        running_role(core, settings_of(workspace, "#trust-and-safety")) as role,
    ):
        await until(core.is_all_said)
        assert [message["metadata"]["event_payload"]["key"] for message in said(workspace, "incidents")] == [
            "incident:INC-1"
        ]
        first, reply = said(workspace, "trust-and-safety")
        assert SECRET in first["text"]
        assert (reply["thread_ts"], SECRET in reply["text"]) == (first["ts"], True)
        assert role.safety_problem is None


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ("", "slack.trust_and_safety_channel is not named"),
        ("ops", "#ops is not private"),
        ("nowhere", "the bot sees no channel #nowhere"),
    ],
)
async def test_without_a_private_channel_only_the_neutral_line_is_said(channel: str, problem: str) -> None:
    """In no channel stands a word of it, the entries of its thread included; the health page says what to do."""
    core, view = Core(), matter()
    core.show(view)
    core.tell(entry_of(view))
    async with (
        running(WorkspaceSettings("xoxb-local", "xapp-local", "page")) as workspace,
        running_role(core, settings_of(workspace, channel)) as role,
    ):
        await until(core.is_all_said)
        assert [message["text"] for message in said(workspace, "incidents")] == [MATTER]
        assert SECRET not in str([workspace.state.channel(name).messages for name in ("incidents", "ops")])
        assert problem in str(role.safety_problem)


async def test_an_incident_that_becomes_a_matter_leaves_the_incidents_channel() -> None:
    """A policy's alert joined: the message there says no more than the neutral line, and stands anew in the other."""
    core, view = Core(), matter("INC-1")
    core.show(make_view(make_incident(title=SECRET)))
    async with (
        running(WorkspaceSettings("xoxb-local", "xapp-local", "page")) as workspace,
        running_role(core, settings_of(workspace, "trust-and-safety")),
    ):
        await until(core.is_all_said)
        core.show(view)
        await until(core.is_all_said)
        (left,) = said(workspace, "incidents")
        assert (left["text"], SECRET in str(left["blocks"])) == (MATTER, False)
        (moved,) = said(workspace, "trust-and-safety")
        assert SECRET in moved["text"]


async def test_a_matter_within_another_incident_is_a_matter_of_its_own() -> None:
    """A person started such a run for a capacity incident: that one is told to everybody, without the run."""
    hidden = replace(make_run(run_id="run:safe:1", name=SECRET), is_restricted=True, requester="U0SAFETY")
    core, view = Core(), make_view(runs=[make_run(), hidden])
    core.show(view)
    core.tell(entry_of(view, "run:safe:1:started"))
    core.tell(replace(entry_of(view, "run-1:started"), text="Started something else"))
    async with (
        running(WorkspaceSettings("xoxb-local", "xapp-local", "page")) as workspace,
        running_role(core, settings_of(workspace, "trust-and-safety")),
    ):
        await until(core.is_all_said)
        assert SECRET not in str(said(workspace, "incidents"))
        assert [message["text"] for message in said(workspace, "incidents")][1:] == ["Started something else"]
        (alone,) = said(workspace, "trust-and-safety")
        assert SECRET in alone["text"]


@pytest.mark.parametrize("text", ["incidents", "status", "why INC-2", "ack INC-2", "resolve INC-2 over", "menu", ""])
async def test_the_command_shows_nothing_of_it_to_others(text: str) -> None:
    """Whatever a commander types; and nothing is done to it."""
    hidden = replace(make_run(run_id="run:safe:1", approvals=[make_approval()], name=SECRET), is_restricted=True)
    commands = RecordedCommands([make_view(), replace(matter(), runs=(hidden,))])
    seat = seen_by(seat_of(commands), RESPONDER)
    try:
        answer = await answer_to(seat, Typed(text, RESPONDER, "q1"))
    except Exception as error:
        answer = str(error)
    shown = str(answer.to_dict()) if isinstance(answer, View) else str(answer)
    assert SECRET not in shown
    assert "INC-2" not in shown or "that you may see" in shown
    assert commands.calls == []


async def test_people_with_the_role_see_it() -> None:
    """The same command, asked by an analyst."""
    seat = seen_by(seat_of(RecordedCommands([make_view(), matter()])), ANALYST)
    assert SECRET in str(await answer_to(seat, Typed("incidents", ANALYST, "q1")))
