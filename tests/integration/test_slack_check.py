"""`opsbot slack check` against the bundled workspace: what works, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opsbot.slack.app import SlackSettings
from opsbot.slack.check import CheckedPeople, check_slack
from opsbot.slack.manifest import SCOPES
from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.ports import free_port
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.integration

ALL = frozenset(scope.name for scope in SCOPES)
PEOPLE = CheckedPeople(("@oncall", "S0SAFETY"), ("oncall@workspace.example",))


def workspace_of(scopes: frozenset[str] = ALL) -> WorkspaceSettings:
    """One that has a list of scopes, as Slack has."""
    return WorkspaceSettings("xoxb-local", "xapp-local", "page", port=0, scopes=scopes)


async def said(
    scopes: frozenset[str] = ALL, people: CheckedPeople = PEOPLE, **settings: Any
) -> tuple[list[str], list[str]]:
    """What works, and what does not."""
    async with running(workspace_of(scopes)) as workspace:
        place = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "incidents", "trust-and-safety")
        lines = await check_slack(replace(place, **settings), people)
        posted = [channel.messages for channel in workspace.state.channels.values()]
        assert not any(posted), "the check posts nothing"
    assert all(line.to_do for line in lines if not line.is_good)
    return [line.text for line in lines if line.is_good], [line.text for line in lines if not line.is_good]


async def test_everything_works() -> None:
    """One line for each thing, none of them a question."""
    good, bad = await said()
    assert bad == []
    assert good == [
        "✓ signed in as opsbot in Local workspace",
        "✓ all 12 scopes are there",
        "✓ Socket Mode opens",
        "✓ incidents go to #incidents, where the bot is a member",
        "✓ trust and safety matters go to #trust-and-safety, which is private",
        "✓ user group @oncall with 2 people",
        "✓ user group S0SAFETY with 1 person",
        "✓ oncall@workspace.example is somebody in Slack",
        "✓ charts can be uploaded",
    ]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"bot_token": "xoxb-other"}, "set the bot token (xoxb-…)"),
        ({"app_token": "xapp-other"}, "set an app token (xapp-…)"),
        ({"channel": "nowhere"}, "the bot sees no channel #nowhere"),
        ({"channel": "C0NOWHERE"}, "channel_not_found"),
        ({"safety_channel": "ops"}, "#ops is not private"),
        ({"safety_channel": "nowhere"}, "create #nowhere as a private channel"),
        ({"base_url": "http://127.0.0.1:9/api/"}, "Slack cannot be reached"),
        ({"listen": ("127.0.0.1", 9), "signing_secret": "s"}, "does not answer"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_do(settings: Mapping[str, Any], wrong: str) -> None:
    """One thing at a time, and it is the only one that is said to be wrong."""
    _, bad = await said(**settings)
    assert len(bad) == 1
    assert wrong in bad[0]


@pytest.mark.parametrize("scope", sorted(ALL - {"chat:write", "channels:read", "groups:read"}))
async def test_a_missing_scope_is_named_with_what_fails_without_it(scope: str) -> None:
    """By Slack's own word in the header of its answer."""
    _, bad = await said(ALL - {scope})
    assert f"✗ the scope {scope} is missing" in bad[0]


async def test_scopes_for_groups_are_only_asked_for_where_groups_are_named() -> None:
    """A file without groups and addresses needs neither."""
    assert (await said(ALL - {"usergroups:read", "users:read.email"}, CheckedPeople()))[1] == []


async def test_a_group_that_is_not_there_is_said() -> None:
    """And an address of nobody."""
    _, bad = await said(people=CheckedPeople(("@night",), ("nobody@workspace.example",)))
    assert "Slack has no user group @night" in bad[0]
    assert "nobody@workspace.example" in bad[1]


async def test_a_running_bot_in_http_mode_is_found() -> None:
    """Its request URL takes our signature; another secret is told apart from no answer."""
    port = free_port()
    async with running(workspace_of()) as workspace:
        place = SlackSettings(
            "xoxb-local", "", workspace.api_url, "incidents", signing_secret="s1", listen=("127.0.0.1", port)
        )
        async with running_role(Core(), place) as role:
            await until(lambda: role.is_connected)
            good = [line.text for line in await check_slack(place, CheckedPeople())]
            assert f"✓ http://127.0.0.1:{port}/slack/events takes signed requests" in good[2]
            lines = await check_slack(replace(place, signing_secret="s2"), CheckedPeople())
            assert "another signing secret" in lines[2].text
