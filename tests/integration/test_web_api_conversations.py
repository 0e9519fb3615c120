"""`conversations.*` through Slack's own client: membership is real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.web_api import Served, error_of, served

pytestmark = pytest.mark.integration


@pytest.fixture
async def at() -> AsyncIterator[Served]:
    """A workspace."""
    async with served() as started:
        yield started


def hide(at: Served, name: str) -> str:
    """Take the bot out of a private channel, as people can; answers its id."""
    state = at.workspace.state
    channel = state.channel(name)
    state.leave(channel, "U0OPSBOT")
    return channel.channel_id


async def names_of(at: Served, **asked: Any) -> list[str]:
    """The channels of a list, by name."""
    return [channel["name"] for channel in (await at.client.conversations_list(**asked))["channels"]]


async def test_only_what_the_bot_may_see_is_listed(at: Served) -> None:
    """Public channels, and private ones that it is in."""
    public = ["incidents", "ops", "ops-utilisation", "general"]
    both = "public_channel,private_channel"
    assert await names_of(at) == public
    assert sorted(await names_of(at, types=both)) == sorted([*public, "trust-and-safety"])
    hide(at, "trust-and-safety")
    assert await names_of(at, types=both) == public
    assert await error_of(at.client.conversations_list(types="secret")) == "invalid_types"


async def test_a_private_channel_without_the_bot_does_not_exist_for_it(at: Served) -> None:
    """Neither to look at nor to post to."""
    client, channel = at.client, hide(at, "trust-and-safety")
    assert await error_of(client.conversations_info(channel=channel)) == "channel_not_found"
    assert await error_of(client.conversations_history(channel=channel)) == "channel_not_found"
    assert await error_of(client.conversations_join(channel=channel)) == "channel_not_found"
    assert await error_of(client.chat_postMessage(channel=channel, text="x")) == "channel_not_found"


async def test_a_public_channel_can_be_joined_and_left(at: Served) -> None:
    """Before and after, the bot can neither read nor post there."""
    client = at.client
    assert await error_of(client.conversations_history(channel="C0GENERAL")) == "not_in_channel"
    joined = await client.conversations_join(channel="C0GENERAL")
    assert (joined["channel"]["is_member"], joined.get("warning")) == (True, None)
    again = await client.conversations_join(channel="C0GENERAL")
    assert again["warning"] == "already_in_channel"
    assert (await client.chat_postMessage(channel="general", text="x"))["ok"]
    assert await error_of(client.conversations_leave(channel="C0GENERAL")) == "cant_leave_general"
    assert (await client.conversations_leave(channel="C0OPS"))["ok"]
    assert (await client.conversations_leave(channel="C0OPS"))["not_in_channel"]
    assert await error_of(client.chat_postMessage(channel="ops", text="x")) == "not_in_channel"
    assert await error_of(client.conversations_join(channel="C0SAFETY")) == "method_not_supported_for_channel_type"


async def test_a_channel_lives(at: Served) -> None:
    """Made, described, filled, renamed, archived, and brought back."""
    client, heard = at.client, list[dict[str, Any]]()
    at.workspace.state.listen(heard.append)
    made = (await client.conversations_create(name="inc-12", is_private=True))["channel"]
    channel = made["id"]
    assert (made["is_private"], made["is_member"], made["creator"]) == (True, True, "U0OPSBOT")
    assert heard[0]["channel"]["members"] == ["U0OPSBOT"]
    await client.conversations_invite(channel=channel, users=["U0ONCALL", "U0COMMANDER"])
    assert (await client.conversations_members(channel=channel, limit=2))["members"] == ["U0OPSBOT", "U0ONCALL"]
    topic = (await client.conversations_setTopic(channel=channel, topic="KV pressure"))["channel"]["topic"]["value"]
    purpose = (await client.conversations_setPurpose(channel=channel, purpose="one incident"))["purpose"]
    assert (topic, purpose) == ("KV pressure", "one incident")
    await client.conversations_kick(channel=channel, user="U0COMMANDER")
    await client.conversations_rename(channel=channel, name="inc-12-kv")
    info = (await client.conversations_info(channel=channel, include_num_members=True))["channel"]
    assert (info["name"], info["num_members"]) == ("inc-12-kv", 2)
    await client.conversations_archive(channel=channel)
    assert await error_of(client.conversations_archive(channel=channel)) == "already_archived"
    assert await error_of(client.conversations_setTopic(channel=channel, topic="x")) == "is_archived"
    assert "inc-12-kv" not in await names_of(at, types="private_channel", exclude_archived=True)
    assert "inc-12-kv" in await names_of(at, types="private_channel")
    await client.conversations_unarchive(channel=channel)
    assert await error_of(client.conversations_unarchive(channel=channel)) == "not_archived"


async def test_channels_are_listed_by_pages(at: Served) -> None:
    """Each once."""
    found: list[str] = []
    following = ""
    for _ in range(2):
        page = await at.client.conversations_list(limit=3, cursor=following)
        found += [channel["name"] for channel in page["channels"]]
        following = page["response_metadata"]["next_cursor"]
    assert (found, following) == (["incidents", "ops", "ops-utilisation", "general"], "")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("incidents", "name_taken"),
        ("", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("Upper", "invalid_name_specials"),
        ("two words", "invalid_name_specials"),
        ("<!channel>", "invalid_name_specials"),
    ],
)
async def test_a_wrong_name_is_refused(at: Served, name: str, error: str) -> None:
    """For a new channel and for a new name of one."""
    assert await error_of(at.client.conversations_create(name=name)) == error
    assert await error_of(at.client.conversations_rename(channel="C0OPS", name=name)) == error


async def test_who_cannot_be_invited_is_said(at: Served) -> None:
    """Nobody is invited then, unless those who can shall be."""
    client = at.client
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    assert await error_of(client.conversations_invite(channel=channel, users="")) == "no_user"
    assert await error_of(client.conversations_invite(channel=channel, users="U0OPSBOT")) == "cant_invite_self"
    assert await error_of(client.conversations_invite(channel=channel, users="U0ONCALL,U9")) == "user_not_found"
    assert (await client.conversations_members(channel=channel))["members"] == ["U0OPSBOT"]
    await client.conversations_invite(channel=channel, users="U0ONCALL,U9", force=True)
    assert (await client.conversations_members(channel=channel))["members"] == ["U0OPSBOT", "U0ONCALL"]
    assert await error_of(client.conversations_invite(channel=channel, users="U0ONCALL")) == "already_in_channel"
    assert await error_of(client.conversations_invite(channel="C0GENERAL", users="U0ONCALL")) == "not_in_channel"
    assert await error_of(client.conversations_kick(channel=channel, user="U0OPSBOT")) == "cant_kick_self"
    assert await error_of(client.conversations_kick(channel=channel, user="U0VISITOR")) == "not_in_channel"


async def test_a_direct_message_is_a_channel_of_two(at: Served) -> None:
    """Opened once, listed as `im`, and neither joined nor archived."""
    client = at.client
    opened = (await client.conversations_open(users=["U0ONCALL"], return_im=True))["channel"]
    assert (opened["is_im"], opened["user"]) == (True, "U0ONCALL")
    assert (await client.conversations_open(channel=opened["id"]))["channel"]["id"] == opened["id"]
    assert [c["id"] for c in (await client.conversations_list(types="im"))["channels"]] == [opened["id"]]
    assert await error_of(client.conversations_open(users="U9")) == "user_not_found"
    assert await error_of(client.conversations_open(users="")) == "users_list_not_supplied"
    assert await error_of(client.conversations_archive(channel=opened["id"])) == "method_not_supported_for_channel_type"


async def test_the_channels_of_somebody(at: Served) -> None:
    """As far as the bot may see them."""
    mine = await at.client.users_conversations(types="public_channel,private_channel")
    assert "general" not in [channel["name"] for channel in mine["channels"]]
    theirs = await at.client.users_conversations(user="U0SAFETY", types="private_channel")
    assert [channel["name"] for channel in theirs["channels"]] == ["trust-and-safety"]
    hide(at, "trust-and-safety")
    theirs = await at.client.users_conversations(user="U0SAFETY", types="private_channel")
    assert theirs["channels"] == []
    assert await error_of(at.client.users_conversations(user="U9")) == "user_not_found"
