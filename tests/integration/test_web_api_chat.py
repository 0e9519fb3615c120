"""`chat.*`, `conversations.history` and `conversations.replies`, through Slack's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.models.blocks import HeaderBlock
from slack_sdk.models.metadata import Metadata

from tests.support.web_api import Served, error_of, refused, served

pytestmark = pytest.mark.integration


@pytest.fixture
async def at() -> AsyncIterator[Served]:
    """A workspace."""
    async with served() as started:
        yield started


async def test_a_message_is_posted_as_slack_stores_it(at: Served) -> None:
    """With the bot as its author, and ids on every block."""
    metadata = Metadata(event_type="outbox", event_payload={"key": "k"})
    posted = await at.client.chat_postMessage(
        channel="#incidents", text="x", blocks=[HeaderBlock(text="x")], metadata=metadata, unfurl_links=False
    )
    message = posted["message"]
    assert (message["user"], message["bot_id"], message["app_id"]) == ("U0OPSBOT", "B0OPSBOT", "A0OPSBOT")
    assert (posted["channel"], posted["ts"], message["team"]) == ("C0INCIDENTS", message["ts"], "T0LOCAL")
    assert message["blocks"][0]["block_id"]
    assert message["metadata"] == metadata.to_dict()


async def test_a_thread_counts_its_replies(at: Served) -> None:
    """Also after one is deleted; a broadcast stands in the channel too, and a reply to a reply in the same thread."""
    client, state = at.client, at.workspace.state
    parent = (await client.chat_postMessage(channel="ops", text="parent"))["ts"]
    reply = (await client.chat_postMessage(channel="ops", text="one", thread_ts=parent))["ts"]
    await client.chat_postMessage(channel="ops", text="two", thread_ts=reply, reply_broadcast=True)
    state.post(state.channel("ops"), {"text": "three"}, user_id="U0ONCALL", thread_ts=parent)
    history = (await client.conversations_history(channel="C0OPS"))["messages"]
    assert [message["text"] for message in history] == ["two", "parent"]
    assert (history[0]["subtype"], history[0]["thread_ts"]) == ("thread_broadcast", parent)
    assert (history[1]["reply_count"], history[1]["reply_users"]) == (3, ["U0OPSBOT", "U0ONCALL"])
    await client.chat_delete(channel="C0OPS", ts=reply)
    replies = (await client.conversations_replies(channel="C0OPS", ts=parent))["messages"]
    assert [message["text"] for message in replies] == ["parent", "two", "three"]
    assert (replies[0]["reply_count"], replies[0]["latest_reply"]) == (2, replies[2]["ts"])


async def test_of_a_deleted_parent_a_tombstone_stays(at: Served) -> None:
    """The thread goes on; the message can be edited no more; with its last reply the tombstone goes."""
    client = at.client
    parent = (await client.chat_postMessage(channel="ops", text="parent"))["ts"]
    reply = (await client.chat_postMessage(channel="ops", text="one", thread_ts=parent))["ts"]
    await client.chat_delete(channel="C0OPS", ts=parent)
    (left,) = (await client.conversations_history(channel="C0OPS"))["messages"]
    assert (left["subtype"], left["text"]) == ("tombstone", "This message was deleted.")
    assert await error_of(client.chat_update(channel="C0OPS", ts=parent, text="x")) == "message_not_found"
    assert await error_of(client.chat_delete(channel="C0OPS", ts=parent)) == "message_not_found"
    await client.chat_delete(channel="C0OPS", ts=reply)
    assert (await client.conversations_history(channel="C0OPS"))["messages"] == []


async def test_an_edit_keeps_what_it_does_not_name(at: Served) -> None:
    """Blocks stay unless others, or none, are given."""
    client = at.client
    posted = await client.chat_postMessage(channel="ops", text="x", blocks=[HeaderBlock(text="x")])
    where: dict[str, Any] = {"channel": "C0OPS", "ts": posted["ts"]}
    edited = (await client.chat_update(**where, text="y"))["message"]
    assert (edited["text"], len(edited["blocks"]), edited["edited"]["user"]) == ("y", 1, "U0OPSBOT")
    assert (await client.chat_update(**where, text="z", blocks=[]))["message"]["blocks"] == []


async def test_a_page_of_history_ends_where_the_next_begins(at: Served) -> None:
    """Also while new messages come in; `oldest` and `latest` count only where they are said to be inclusive."""
    client = at.client
    times = [(await client.chat_postMessage(channel="ops", text=str(n)))["ts"] for n in range(5)]
    first = await client.conversations_history(channel="C0OPS", limit=2)
    assert ([m["text"] for m in first["messages"]], first["has_more"]) == (["4", "3"], True)
    await client.chat_postMessage(channel="ops", text="5")
    following = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel="C0OPS", limit=3, cursor=following)
    assert ([m["text"] for m in second["messages"]], second["has_more"]) == (["2", "1", "0"], False)
    assert second["response_metadata"]["next_cursor"] == ""
    bounds: dict[str, Any] = {"channel": "C0OPS", "oldest": times[1], "latest": times[3]}
    assert [m["text"] for m in (await client.conversations_history(**bounds))["messages"]] == ["2"]
    inclusive = await client.conversations_history(**bounds, inclusive=True)
    assert [m["text"] for m in inclusive["messages"]] == ["3", "2", "1"]


async def test_a_thread_is_read_by_pages(at: Served) -> None:
    """Its parent leads the first one."""
    client = at.client
    parent = (await client.chat_postMessage(channel="ops", text="parent"))["ts"]
    for number in range(3):
        await client.chat_postMessage(channel="ops", text=str(number), thread_ts=parent)
    found: list[str] = []
    following: str | None = None
    for _ in range(2):
        page = await client.conversations_replies(channel="C0OPS", ts=parent, limit=2, cursor=following)
        found += [message["text"] for message in page["messages"]]
        following = page["response_metadata"]["next_cursor"] or None
    assert (found, following) == (["parent", "0", "1", "2"], None)


async def test_metadata_is_shown_to_who_asks_for_it(at: Served) -> None:
    """And to nobody else."""
    metadata = {"event_type": "outbox", "event_payload": {"key": "k"}}
    await at.client.chat_postMessage(channel="ops", text="x", metadata=metadata)
    (plain,) = (await at.client.conversations_history(channel="C0OPS"))["messages"]
    (full,) = (await at.client.conversations_history(channel="C0OPS", include_all_metadata=True))["messages"]
    assert ("metadata" in plain, full["metadata"]) == (False, metadata)


async def test_a_private_answer_is_for_a_member_only(at: Served) -> None:
    """Nobody else hears it, and it is in no history."""
    heard: list[dict[str, Any]] = []
    at.workspace.state.listen(heard.append)
    answer = await at.client.chat_postEphemeral(channel="C0OPS", user="U0ONCALL", text="psst")
    assert [(change["type"], change["user"]) for change in heard] == [("ephemeral", "U0ONCALL")]
    assert heard[0]["message"]["ts"] == answer["message_ts"]
    assert at.texts("ops") == []
    call = at.client.chat_postEphemeral(channel="C0SAFETY", user="U0VISITOR", text="psst")
    assert await error_of(call) == "user_not_in_channel"


async def test_a_direct_message_is_opened_by_writing_it(at: Served) -> None:
    """To a person's id."""
    posted = await at.client.chat_postMessage(channel="U0ONCALL", text="wake up")
    opened = await at.client.conversations_open(users="U0ONCALL")
    assert posted["channel"] == opened["channel"]["id"] == "D0ONCALL"


async def test_a_permalink_leads_to_the_message(at: Served) -> None:
    """Its address is Slack's form; of a reply it names the thread."""
    parent = (await at.client.chat_postMessage(channel="ops", text="x"))["ts"]
    reply = (await at.client.chat_postMessage(channel="ops", text="y", thread_ts=parent))["ts"]
    link = (await at.client.chat_getPermalink(channel="C0OPS", message_ts=parent))["permalink"]
    assert link == f"{at.workspace.url}/archives/C0OPS/p{parent.replace('.', '')}"
    link = (await at.client.chat_getPermalink(channel="C0OPS", message_ts=reply))["permalink"]
    assert link.endswith(f"?thread_ts={parent}&cid=C0OPS")
    assert await error_of(at.client.chat_getPermalink(channel="C0OPS", message_ts="1.0")) == "message_not_found"


async def test_every_refusal_has_slacks_name(at: Served) -> None:
    """Of what is posted, edited and deleted."""
    client, state = at.client, at.workspace.state
    post, update = client.chat_postMessage, client.chat_update
    theirs = state.post(state.channel("ops"), {"text": "hello"}, user_id="U0ONCALL")["ts"]
    ours = (await post(channel="ops", text="x"))["ts"]
    assert await error_of(post(channel="nowhere", text="x")) == "channel_not_found"
    assert await error_of(post(channel="general", text="x")) == "not_in_channel"
    assert await error_of(client.api_call("chat.postMessage", json={"channel": "ops"})) == "no_text"
    assert await error_of(post(channel="ops", text="x" * 40_001)) == "msg_too_long"
    assert await error_of(post(channel="ops", text="x", thread_ts="1.0")) == "thread_not_found"
    assert await error_of(post(channel="ops", markdown_text="x" * 12_001)) == "msg_too_long"
    assert await error_of(post(channel="ops", text="x", markdown_text="x")) == "markdown_text_conflict"
    assert await error_of(post(channel="ops", text="x", attachments=[{}] * 101)) == "too_many_attachments"
    assert await error_of(post(channel="ops", text="x", attachments="x")) == "invalid_attachments"
    large = [{"text": "x" * 100_000}]
    assert await error_of(post(channel="ops", text="x", attachments=large)) == "attachment_payload_limit_exceeded"
    metadata = {"event_type": "x", "event_payload": {"x": "x" * 16_000}}
    assert await error_of(post(channel="ops", text="x", metadata=metadata)) == "metadata_too_large"
    assert await error_of(post(channel="ops", text="x", blocks="x")) == "invalid_blocks_format"
    assert await error_of(post(channel="ops", text="x", metadata={"event_type": 1})) == "invalid_metadata_schema"
    assert await error_of(update(channel="C0OPS", ts=ours, text="x" * 4_001)) == "msg_too_long"
    assert await error_of(update(channel="C0OPS", ts="1.0", text="x")) == "message_not_found"
    assert await error_of(update(channel="C0OPS", ts=theirs, text="x")) == "cant_update_message"
    assert await error_of(client.chat_delete(channel="C0OPS", ts=theirs)) == "cant_delete_message"
    assert await error_of(client.chat_delete(channel="C0OPS", ts="1.0")) == "message_not_found"
    assert await error_of(client.conversations_replies(channel="C0OPS", ts="1.0")) == "thread_not_found"
    assert await error_of(client.conversations_history(channel="C0OPS", cursor="x")) == "invalid_cursor"
    assert await error_of(client.conversations_history(channel="C0OPS", limit=0)) == "invalid_limit"
    assert await error_of(client.conversations_history(channel="C0OPS", oldest="now")) == "invalid_ts_oldest"
    await client.conversations_archive(channel="C0OPS")
    assert await error_of(post(channel="ops", text="x")) == "is_archived"
    assert await error_of(update(channel="C0OPS", ts=ours, text="x")) == "is_archived"


async def test_only_what_posts_takes_names(at: Served) -> None:
    """Everything else takes ids, as Slack does: a bot that reads by name would fail there."""
    posted = await at.client.chat_postMessage(channel="ops", text="x")
    for name in ("ops", "#ops", "U0ONCALL"):
        assert await error_of(at.client.conversations_history(channel=name)) == "channel_not_found"
        assert await error_of(at.client.chat_update(channel=name, ts=posted["ts"], text="y")) == "channel_not_found"
    assert (await at.client.chat_postEphemeral(channel="ops", user="U0ONCALL", text="x"))["ok"]


async def test_invalid_blocks_say_where(at: Served) -> None:
    """In the two places where Slack says it."""
    long = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    answer = await refused(at.client.chat_postMessage(channel="ops", text="x", blocks=[long]))
    sentence = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    assert answer["errors"] == [sentence]
    assert answer["response_metadata"]["messages"] == [f"[ERROR] {sentence}"]
    inside = await refused(at.client.chat_postMessage(channel="ops", text="x", attachments=[{"blocks": [long]}]))
    assert inside["error"] == "invalid_blocks"


async def test_all_texts_of_a_message_have_a_limit() -> None:
    """Slack has one that it does not state; ours can be set."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5
    async with served() as at:
        assert (
            await error_of(at.client.chat_postMessage(channel="ops", text="x", blocks=blocks)) == "msg_blocks_too_long"
        )
        await at.client.chat_postMessage(channel="ops", text="x", blocks=blocks[:4])
    async with served(max_blocks_characters=20_000) as at:
        await at.client.chat_postMessage(channel="ops", text="x", blocks=blocks)


async def test_only_the_bots_token_opens_the_api(at: Served) -> None:
    """None, another, and the app's are each refused by name; api.test needs none."""
    client = at.client
    assert await error_of(client.api_call("auth.test", headers={"Authorization": ""})) == "not_authed"
    assert await error_of(client.auth_test(token="xoxb-other")) == "invalid_auth"
    assert await error_of(client.auth_test(token="xapp-local")) == "not_allowed_token_type"
    assert await error_of(client.apps_connections_open(app_token="xoxb-local")) == "not_allowed_token_type"
    assert await error_of(client.api_call("admin.everything")) == "unknown_method"
    assert await error_of(client.api_test(error="my_error")) == "my_error"
    assert (await client.api_test(foo="bar"))["args"] == {"foo": "bar"}


async def test_a_list_of_scopes_holds() -> None:
    """What the token may not do is refused, with what it would need."""
    async with served(scopes=frozenset({"chat:write", "chat:write.public", "channels:read"})) as at:
        answer = await refused(at.client.reactions_add(channel="C0OPS", timestamp="1.0", name="eyes"))
        assert (answer["error"], answer["needed"]) == ("missing_scope", "reactions:write")
        assert answer["provided"] == "channels:read,chat:write,chat:write.public"
        assert (await at.client.chat_postMessage(channel="general", text="x"))["ok"]
        assert (await at.client.auth_test()).headers["X-OAuth-Scopes"] == answer["provided"]
