"""Roles by user group, over HTTP and Socket Mode: read, read again, kept on disk, and taken away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsbot.clock import Clock, SystemClock
from opsbot.people import Role
from opsbot.roster import Roster
from opsbot.slack.app import SlackSettings, answer_client
from opsbot.slack.user_groups import KEPT_S, UserGroups
from tests.support.incident_views import make_view
from tests.support.outbox import ManualClock
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack, small_slack

pytestmark = pytest.mark.integration

RESPONDER: frozenset[Role] = frozenset({"responder"})


def settings_of(slack: SmallSlack) -> SlackSettings:
    """For a role that talks to *slack*."""
    return SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")


class World:
    """The reader and the roster over it, as core builds them."""

    def __init__(self, folder: Path, clock: Clock | None = None, **more: float) -> None:
        self.clock = clock or SystemClock()
        self.path = folder / "groups.json"
        self.groups = UserGroups(["@oncall"], {"ada@example.com": "cli:ada"}, self.path, self.clock, **more)
        self.roster = Roster({"cli:ada": frozenset({"author"})}, {"@oncall": RESPONDER}, self.groups.membership)

    def may(self, user_id: str) -> bool:
        """Whether that user is a responder now."""
        return self.roster.person(user_id).has("responder")


async def test_a_press_of_a_new_member_works_the_first_time(tmp_path: Path) -> None:
    """Somebody joined the group after it was read: their press has it read again, and is carried out."""
    world = World(tmp_path, stranger_pause_s=0.0, least_pause_s=0.0)
    core = Core(make_view())
    async with small_slack() as slack:
        slack.groups["oncall"] = ["U1"]
        roster = world.roster
        async with running_role(core, settings_of(slack), groups=world.groups, person_for=roster.person):
            await until(lambda: slack.is_connected and world.may("U1"))
            assert not world.may("U2")
            slack.groups["oncall"] = ["U1", "U2"]
            await slack.press("U2", "incident.acknowledge", "INC-1", message_ts="1.0")
            await until(lambda: bool(slack.ephemerals))
            assert world.may("U2")
            assert ("acknowledge", "INC-1", "U2") in core.commands.calls


async def test_who_is_taken_out_loses_the_role_when_slack_says_so(tmp_path: Path) -> None:
    """`subteam_members_changed` has the groups read at once, long before the three minutes are over."""
    world = World(tmp_path, least_pause_s=0.0)
    async with small_slack() as slack:
        slack.groups["oncall"] = ["U1", "U2"]
        async with running_role(Core(), settings_of(slack), groups=world.groups):
            await until(lambda: slack.is_connected and world.may("U2"))
            slack.groups["oncall"] = ["U1"]
            await slack.emit({"type": "subteam_members_changed", "subteam_id": "S0ONCALL", "removed_users": ["U2"]})
            await until(lambda: not world.may("U2"), within_s=2)
            assert world.may("U1")


async def test_who_is_taken_out_loses_the_role_within_the_refresh_time(tmp_path: Path) -> None:
    """Also where Slack tells us nothing; a group that is gone gives nothing, and that is said."""
    world = World(tmp_path, refresh_s=0.1, least_pause_s=0.0)
    async with small_slack() as slack:
        slack.groups["oncall"] = ["U1"]
        async with running_role(Core(), settings_of(slack), groups=world.groups):
            await until(lambda: world.may("U1"))
            assert world.groups.problem is None
            del slack.groups["oncall"]
            await until(lambda: not world.may("U1"), within_s=2)
            assert world.groups.problem == "Slack has no user group @oncall: nobody has rights by it"


async def test_strangers_do_not_make_us_ask_again_and_again(tmp_path: Path) -> None:
    """Ten presses of somebody without a role soon after a look cause no further one."""
    world = World(tmp_path)
    async with small_slack() as slack:
        slack.groups["oncall"] = ["U1"]
        roster = world.roster
        async with running_role(Core(make_view()), settings_of(slack), groups=world.groups, person_for=roster.person):
            await until(lambda: slack.is_connected and world.may("U1"))
            for _ in range(10):
                await slack.press("U9", "incident.acknowledge", "INC-1", message_ts="1.0")
            await until(lambda: len(slack.ephemerals) == 10)
            assert slack.calls.count("usergroups.list") == 1


async def test_a_restart_while_slack_is_away_forgets_nobody_for_a_day(tmp_path: Path) -> None:
    """The last good answer counts until it is a day old; then nobody has rights by a group."""
    clock = ManualClock()
    before = World(tmp_path, clock)
    async with small_slack() as slack:
        slack.groups["oncall"], slack.emails["ada@example.com"] = ["U1", "U2"], "U1"
        await before.groups.read(answer_client(settings_of(slack)))
    after = World(tmp_path, clock)
    assert after.may("U2")
    assert after.roster.person("U1").user_id == "cli:ada"
    clock.advance(KEPT_S - 1)
    assert after.may("U2")
    clock.advance(2)
    assert not after.may("U2")
    assert after.roster.person("U1").roles == frozenset()


async def test_an_error_of_slacks_changes_nobodys_rights(tmp_path: Path) -> None:
    """Missing scope, a broken answer: what was known stays, and the health page says why."""
    world = World(tmp_path)
    async with small_slack() as slack:
        client = answer_client(settings_of(slack))
        slack.groups["oncall"] = ["U1"]
        assert await world.groups.read(client)
        slack.faults["usergroups.list"] = ["missing_scope", 500]
        for _ in range(2):
            assert not await world.groups.read(client)
            assert world.may("U1")
            assert "user groups cannot be read" in str(world.groups.problem)
        assert await world.groups.read(client)
        assert world.groups.problem is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"groups": {"@oncall": 5}, "identities": {}, "read_at": 1}', "\x00"]
)
async def test_a_damaged_file_gives_nobody_rights(tmp_path: Path, content: str) -> None:
    """It is read at the start, so it must not stop core either."""
    (tmp_path / "groups.json").write_text(content, encoding="utf-8")
    assert not World(tmp_path).may("U1")


async def test_what_the_settings_no_longer_name_gives_no_rights(tmp_path: Path) -> None:
    """The file of an earlier start has a group that is not in opsbot.yaml any more; and it is nobody else's to read."""
    world = World(tmp_path)
    async with small_slack() as slack:
        slack.groups["oncall"] = ["U1"]
        await world.groups.read(answer_client(settings_of(slack)))
    assert json.loads(world.path.read_text(encoding="utf-8"))["groups"] == {"@oncall": ["U1"]}
    assert world.path.stat().st_mode & 0o077 == 0
    others = UserGroups(["@night"], {}, world.path, SystemClock())
    assert others.membership().groups == {}
