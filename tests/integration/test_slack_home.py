"""The Home tab over HTTP and Socket Mode: shown anew to who has it open, and only when it would look different."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opsbot.notify.lag import Lag
from opsbot.people import Person
from opsbot.slack.app import SlackSettings, answer_client
from opsbot.slack.home import OPEN_FOR_S, Home
from opsbot.slack.work import Work
from tests.support.incident_views import OPENED_AT, make_incident, make_view
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack, small_slack

pytestmark = pytest.mark.integration


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


def settings_of(slack: SmallSlack) -> SlackSettings:
    """How the bot reaches it."""
    return SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")


async def test_a_change_reaches_who_has_it_open_at_once(slack: SmallSlack) -> None:
    """Opened, then an incident more: shown anew without a press, to that person alone."""
    core = Core(make_view())
    async with running_role(core, settings_of(slack)) as role:
        await until(lambda: slack.is_connected)
        await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
        await until(lambda: len(slack.homes) == 1)
        core.show(make_view(make_incident(incident_id="INC-2", title="Queue grows")))
        role.wake()
        await until(lambda: len(slack.homes) == 2, within_s=2)
        assert [home["user_id"] for home in slack.homes] == ["U0ONCALL"] * 2
        assert "Queue grows" in str(slack.homes[1]["view"])


async def test_refresh_shows_it_anew_without_a_notice(slack: SmallSlack) -> None:
    """The button is pressed on the tab, so the answer is the tab."""
    async with running_role(Core(make_view()), settings_of(slack)):
        await until(lambda: slack.is_connected)
        await slack.press("U0ONCALL", "home.refresh", "home", message_ts=None)
        await until(lambda: len(slack.homes) == 1)
        assert "notice" not in [block.get("block_id") for block in slack.homes[0]["view"]["blocks"]]


async def test_many_changes_are_few_calls(slack: SmallSlack) -> None:
    """A hundred wakes in a moment are one more look at most, then five seconds of peace."""
    core = Core(make_view())
    async with running_role(core, settings_of(slack)) as role:
        await until(lambda: slack.is_connected)
        await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
        await until(lambda: len(slack.homes) == 1)
        for number in range(100):
            core.show(make_view(make_incident(incident_id=f"INC-{number + 2}")))
            role.wake()
            await asyncio.sleep(0.005)
        assert slack.calls.count("views.publish") <= 2


async def test_what_looks_the_same_is_not_sent_again(slack: SmallSlack) -> None:
    """Time alone is no change; and after half an hour somebody has left."""
    commands, clock = RecordedCommands([make_view()]), ManualClock(OPENED_AT)
    home = Home(replace(seat_of(commands), clock=clock))
    client = answer_client(settings_of(slack))
    await home.show(client, "U0ONCALL")
    clock.advance(60)
    await home.show_again(client)
    assert slack.calls.count("views.publish") == 1
    commands.views.append(make_view(make_incident(incident_id="INC-2")))
    await home.show_again(client)
    assert slack.calls.count("views.publish") == 2
    clock.advance(OPEN_FOR_S)
    commands.views.clear()
    await home.show_again(client)
    assert slack.calls.count("views.publish") == 2


async def test_a_source_that_hangs_is_a_gap_and_no_empty_tab(
    slack: SmallSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is on call cannot be read in time: the rest is shown, and that is said."""

    class Hangs(RecordedCommands):
        async def on_call(self) -> tuple[()]:
            await asyncio.sleep(60)
            return ()

    monkeypatch.setattr("opsbot.slack.home.WITHIN_S", 0.05)
    home = Home(replace(seat_of(Hangs([make_view()])), work=Work()))
    await home.show(answer_client(settings_of(slack)), "U0ONCALL")
    shown = str(slack.homes[0]["view"])
    assert "who is on call: no answer within" in shown
    assert "INC-1" in shown


async def test_slack_taking_no_tab_stops_nobody_elses(slack: SmallSlack) -> None:
    """One viewer's publish is refused; the other's is made."""
    commands = RecordedCommands([make_view()])
    home = Home(replace(seat_of(commands), person_for=Person))
    client = answer_client(settings_of(slack))
    for user in ("U1", "U2"):
        await home.show(client, user)
    commands.views.append(make_view(make_incident(incident_id="INC-2")))
    slack.faults["views.publish"] = ["not_enabled"]
    await home.show_again(client)
    assert [published["user_id"] for published in slack.homes] == ["U1", "U2", "U2"]


async def test_late_messages_are_said_by_the_words_of_every_door(slack: SmallSlack) -> None:
    """The same sentence as `/ops status` has; nothing of it while Slack keeps up."""
    lag = Lag(14, 720)
    client = answer_client(settings_of(slack))
    for one in (lag, Lag(3, 0.5)):
        await Home(seat_of(RecordedCommands(), lag=lambda one=one: one)).show(client, "U0ONCALL")
    late, on_time = (str(home["view"]) for home in slack.homes)
    assert f"*Messages are late:* {lag.sentence()}." in late
    assert "late" not in on_time
