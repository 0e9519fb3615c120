"""People, groups, reactions, pins and bookmarks through Slack's own client."""

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


async def posted(at: Served) -> dict[str, Any]:
    """Where a fresh message stands, as reactions name it."""
    message = await at.client.chat_postMessage(channel="ops", text="x")
    return {"channel": message["channel"], "timestamp": message["ts"]}


async def test_who_the_bot_is(at: Served) -> None:
    """The same in every answer that says so."""
    me = await at.client.auth_test()
    bot = (await at.client.bots_info(bot=me["bot_id"]))["bot"]
    user = (await at.client.users_info(user=me["user_id"]))["user"]
    team = (await at.client.team_info())["team"]
    assert (bot["user_id"], user["is_bot"], user["profile"]["bot_id"]) == (me["user_id"], True, me["bot_id"])
    assert (team["id"], team["name"]) == (me["team_id"], me["team"])
    assert await error_of(at.client.bots_info(bot="B9")) == "bot_not_found"
    assert await error_of(at.client.team_info(team="T9")) == "team_not_found"


async def test_people_are_listed_and_looked_up(at: Served) -> None:
    """By page, id and e-mail address."""
    everyone = (await at.client.users_list())["members"]
    assert [user["id"] for user in everyone][-1] == "U0OPSBOT"
    pages = [await at.client.users_list(limit=4)]
    pages.append(await at.client.users_list(limit=4, cursor=pages[0]["response_metadata"]["next_cursor"]))
    assert [user for page in pages for user in page["members"]] == everyone
    found = (await at.client.users_lookupByEmail(email="OnCall@workspace.example"))["user"]
    assert (found["id"], found["profile"]["title"]) == ("U0ONCALL", "responder")
    assert (await at.client.users_info(user="U0ONCALL"))["user"] == found
    assert await error_of(at.client.users_info(user="U9")) == "user_not_found"
    assert await error_of(at.client.users_lookupByEmail(email="nobody@workspace.example")) == "users_not_found"


async def test_user_groups_have_members(at: Served) -> None:
    """Said where asked for."""
    plain = (await at.client.usergroups_list())["usergroups"]
    assert [group["handle"] for group in plain] == ["oncall", "commanders", "trust-and-safety"]
    assert "users" not in plain[0]
    full = (await at.client.usergroups_list(include_users=True, include_count=True))["usergroups"]
    assert (full[0]["users"], full[0]["user_count"]) == (["U0ONCALL", "U0SECOND"], 2)
    assert (await at.client.usergroups_users_list(usergroup="S0ONCALL"))["users"] == full[0]["users"]
    assert await error_of(at.client.usergroups_users_list(usergroup="S9")) == "no_such_subteam"


async def test_reactions_come_and_go(at: Served) -> None:
    """Each person's once; the page is told of them."""
    message, heard = await posted(at), list[dict[str, Any]]()
    at.workspace.state.listen(heard.append)
    await at.client.reactions_add(**message, name=":eyes:")
    got = (await at.client.reactions_get(**message))["message"]
    assert got["reactions"] == [{"name": "eyes", "users": ["U0OPSBOT"], "count": 1}]
    assert heard[-1]["message"]["reactions"] == got["reactions"]
    assert await error_of(at.client.reactions_add(**message, name="eyes")) == "already_reacted"
    await at.client.reactions_remove(**message, name="eyes")
    assert "reactions" not in heard[-1]["message"]
    assert await error_of(at.client.reactions_remove(**message, name="eyes")) == "no_reaction"
    assert await error_of(at.client.reactions_add(**message, name="No Emoji!")) == "invalid_name"
    gone = {**message, "timestamp": "1.0"}
    assert await error_of(at.client.reactions_add(**gone, name="eyes")) == "message_not_found"
    assert await error_of(at.client.reactions_get(**gone)) == "message_not_found"


async def test_pins_come_and_go(at: Served) -> None:
    """Each message's once; a deleted message takes its pin along."""
    message = await posted(at)
    await at.client.pins_add(**message)
    assert await error_of(at.client.pins_add(**message)) == "already_pinned"
    (item,) = (await at.client.pins_list(channel="C0OPS"))["items"]
    assert (item["message"]["ts"], item["created_by"]) == (message["timestamp"], "U0OPSBOT")
    await at.client.pins_remove(**message)
    assert await error_of(at.client.pins_remove(**message)) == "no_pin"
    await at.client.pins_add(**message)
    await at.client.chat_delete(channel="C0OPS", ts=message["timestamp"])
    assert (await at.client.pins_list(channel="C0OPS"))["items"] == []


async def test_bookmarks_are_links(at: Served) -> None:
    """To web addresses only."""
    asked: dict[str, Any] = {"channel_id": "C0OPS", "title": "Runbook", "type": "link"}
    made = (await at.client.bookmarks_add(**asked, link="https://runbooks.example", emoji=":book:"))["bookmark"]
    assert (await at.client.bookmarks_list(channel_id="C0OPS"))["bookmarks"] == [made]
    assert await error_of(at.client.bookmarks_add(**asked, link="javascript:alert(1)")) == "invalid_link"
    wrong = {**asked, "type": "file"}
    assert await error_of(at.client.bookmarks_add(**wrong, link="https://x.example")) == "invalid_bookmark_type"


async def test_there_are_no_emoji_of_the_workspaces_own(at: Served) -> None:
    """Slack's answer for that."""
    assert (await at.client.emoji_list())["emoji"] == {}
