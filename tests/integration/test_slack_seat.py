"""The bot that we ship, used at the workspace's page as a person uses it: the menu, its dialogs, a pin, a shortcut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from opsbot.clock import SystemClock
from opsbot.slack.app import SlackSettings
from opsbot.workspace.app import Workspace, running
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.page_user import PageUser, workspace_settings
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.integration

PINNED = "To which incident's timeline does the message with your pin belong?"


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


@pytest.fixture
async def core(workspace: Workspace) -> AsyncIterator[Core]:
    """A connected role whose INC-1 stands in the channel with an open approval."""
    core = Core()
    core.show(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    settings = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")
    async with running_role(core, settings) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        yield core


@pytest.fixture
def user(workspace: Workspace) -> PageUser:
    """The on-call engineer."""
    return PageUser(workspace)


def shown(user: PageUser) -> list[str]:
    """The titles of the dialogs that were on top, one after the other."""
    stacks = [one["views"] for one in user.told if one["type"] == "views" and one["user"] == user.user]
    return [stack[-1]["title"]["text"] if stack else "" for stack in stacks]


async def opened(user: PageUser, number: int) -> dict[str, Any]:
    """The dialog on top after the *number*th change."""
    await until(lambda: len(shown(user)) >= number)
    return (await user.views())[-1]


async def test_the_menu_leads_to_a_dialog_that_acts(core: Core, user: PageUser) -> None:
    """`/ops` alone asks what to do, then of which incident; the second answer acknowledges it."""
    assert await user.do("say", channel="C0OPS", text="/ops") == {"ok": True}
    menu = await opened(user, 1)
    choice = {"choice": {"choice": {"type": "radio_buttons", "selected_option": {"value": "ack"}}}}
    assert await user.do("submit", view_id=menu["id"], values=choice) == {"ok": True}
    dialog = await opened(user, 2)
    assert dialog["title"]["text"] == "Ack"
    # The only incident that can be meant stands in the menu already.
    assert await user.do("submit", view_id=dialog["id"], values={}) == {"ok": True}
    await until(lambda: bool(core.commands.calls))
    assert core.commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]


async def test_the_menu_needs_a_choice(core: Core, user: PageUser) -> None:
    """Slack's own client says so; the bot hears nothing."""
    await user.do("shortcut", callback_id="ops.open")
    menu = await opened(user, 1)
    refused = await user.do("submit", view_id=menu["id"], values={})
    assert refused == {"ok": False, "errors": {"choice": "Please complete this required field."}}


async def test_a_pin_and_the_shortcut_ask_for_the_incident(workspace: Workspace, core: Core, user: PageUser) -> None:
    """The pin in private, where it stands; the shortcut, which has a trigger, in a dialog."""
    await user.do("say", channel="C0INCIDENTS", text="It started with the deploy")
    ts = workspace.state.channel("incidents").messages[-1]["ts"]
    assert (await user.do("react", channel="C0INCIDENTS", ts=ts, name="pushpin"))["ok"]
    await until(lambda: user.whispers() == [PINNED])
    assert (await user.do("shortcut", callback_id="timeline.add", channel="C0INCIDENTS", ts=ts))["ok"]
    dialog = await opened(user, 1)
    assert any(block["type"] == "input" for block in dialog["blocks"])


async def test_the_home_tab_is_pressed(workspace: Workspace, core: Core, user: PageUser) -> None:
    """What waits for its reader is approved there, after the dialog has shown what will happen."""
    await user.do("home")
    await until(lambda: user.user in workspace.state.homes)
    home = (await user.state())["homes"][user.user]
    approve = next(
        element
        for block in home["blocks"]
        for element in block.get("elements", ())
        if element.get("action_id", "").startswith("approval.grant")
    )
    answer = await user.do("press", view_id=home["id"], action={"action_id": approve["action_id"]})
    assert answer == {"ok": True}
    dialog = await opened(user, 1)
    assert (dialog["title"]["text"], core.commands.calls) == ("Approve this step?", [])
    await user.do("submit", view_id=dialog["id"], values={})
    await until(lambda: bool(core.commands.calls))
    assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]
