"""The menu's shortcut, and menus that are filled while somebody types, over a real Socket Mode connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opsbot.slack.app import SlackSettings
from tests.support.incident_views import make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack, small_slack

pytestmark = pytest.mark.integration


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer with a connected bot that has INC-1."""
    core = Core()
    core.show(make_view())
    async with (
        small_slack() as peer,
        running_role(core, SlackSettings(BOT_TOKEN, APP_TOKEN, f"{peer.url}/api/", "incidents")) as role,
    ):
        await until(lambda: role.is_connected and core.is_all_said())
        yield peer


async def test_the_shortcut_opens_the_menu(slack: SmallSlack) -> None:
    """From wherever somebody is; it fits what is open."""
    await slack.send(
        "interactive",
        {
            "type": "shortcut",
            "callback_id": "ops.open",
            "trigger_id": "t-7",
            "user": {"id": "U0ONCALL"},
            "team": {"id": "T1"},
        },
    )
    await until(lambda: bool(slack.dialogs))
    view = slack.dialogs[0]["view"]
    assert view["callback_id"] == "ops.menu"
    assert "INC-1" in view["blocks"][0]["text"]["text"]
    assert "ack" in [option["value"] for option in view["blocks"][1]["element"]["options"]]


async def test_a_long_menu_is_filled_by_what_is_typed(slack: SmallSlack) -> None:
    """The acknowledgement carries the options."""
    asked = {
        "type": "block_suggestion",
        "action_id": "pick.incident.name",
        "block_id": "name",
        "value": "inc-1",
        "user": {"id": "U0ONCALL"},
        "team": {"id": "T1"},
        "view": {"id": "V1", "type": "modal", "callback_id": "ops.form"},
    }
    reply = await slack.send("interactive", asked)
    assert [option["value"] for option in reply["options"]] == ["INC-1"]
    reply = await slack.send("interactive", {**asked, "value": "nothing like it"})
    assert reply["options"] == []
