"""Which events follow from what changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsbot.workspace.event_source import EventSource
from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.state_reactions import react, unreact
from tests.support.page_user import workspace_settings
from tests.support.slack_shapes import differences, shape

ON_CALL = "U0ONCALL"


class Heard:
    """A workspace and the events that follow."""

    def __init__(self) -> None:
        self.state = WorkspaceState(workspace_settings())
        self.events: list[dict[str, Any]] = []
        self.source = EventSource(self.state, self.events.append)

    def say(self, text: str, channel: str = "incidents", user: str = ON_CALL, **more: Any) -> str:
        """Somebody writes; answers the ts."""
        return str(self.state.post(self.state.channel(channel), {"text": text}, user_id=user, **more)["ts"])

    def kinds(self) -> Sequence[str]:
        """Types, or subtypes of messages."""
        return [event.get("subtype") or event["type"] for event in self.events]


def check(name: str, event: dict[str, Any]) -> None:
    """It has the published shape."""
    assert list(differences({"event": shape(name)["event"]}, {"event": event})) == []


def test_a_message_is_an_event_of_its_kind_of_channel() -> None:
    """Public, private, and direct; none where the app is not a member."""
    heard = Heard()
    for channel in ("incidents", "trust-and-safety", "general", ON_CALL):
        heard.say("x", channel)
    kinds = {event["channel"]: event["channel_type"] for event in heard.events if event["type"] == "message"}
    expected = {
        heard.state.channel(name).channel_id: kind
        for name, kind in (("incidents", "channel"), ("trust-and-safety", "group"), (ON_CALL, "im"))
    }
    assert kinds == expected


def test_a_reply_is_one_event_though_its_parent_changes() -> None:
    """The parent's count is no edit."""
    heard = Heard()
    parent = heard.say("x")
    heard.say("y", thread_ts=parent)
    assert heard.kinds() == ["message", "message"]
    assert heard.events[1]["thread_ts"] == parent


def test_an_edit_and_a_deletion_say_how_it_was() -> None:
    """Even though the message itself is changed in place."""
    heard = Heard()
    channel = heard.state.channel("incidents")
    ts = heard.say("one", user=BOT_USER_ID)
    heard.state.update(channel, ts, {"text": "two"})
    heard.state.delete(channel, ts)
    _, changed, deleted = heard.events
    check("event_message_changed", changed)
    check("event_message_deleted", deleted)
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("one", "two")
    assert deleted["previous_message"]["text"] == "two"


def test_a_deleted_message_with_replies_is_changed_to_a_tombstone() -> None:
    """As in Slack, where it stays for its thread."""
    heard = Heard()
    ts = heard.say("one", user=BOT_USER_ID)
    heard.say("reply", thread_ts=ts)
    heard.state.delete(heard.state.channel("incidents"), ts)
    assert heard.kinds() == ["message", "message", "message_changed"]
    assert heard.events[-1]["message"]["subtype"] == "tombstone"


def test_reactions_are_told_one_by_one() -> None:
    """Added and removed, with whose message it is."""
    heard = Heard()
    channel = heard.state.channel("incidents")
    ts = heard.say("x")
    for user in (ON_CALL, "U0VISITOR"):
        react(heard.state, channel, ts, "pushpin", user)
    unreact(heard.state, channel, ts, "pushpin", ON_CALL)
    assert heard.kinds() == ["message", "reaction_added", "reaction_added", "reaction_removed"]
    assert [event["user"] for event in heard.events[1:]] == [ON_CALL, "U0VISITOR", ON_CALL]
    check("event_reaction_added", heard.events[1])
    check("event_reaction_removed", heard.events[3])


def test_a_mention_a_broadcast_and_a_file() -> None:
    """Each with what Slack adds."""
    heard = Heard()
    channel = heard.state.channel("incidents")
    ts = heard.say(f"<@{BOT_USER_ID}> hello")
    heard.state.post(channel, {"text": "r", "reply_broadcast": True}, user_id=ON_CALL, thread_ts=ts)
    heard.state.post(channel, {"text": "f", "files": [{"id": "F1"}]}, user_id=ON_CALL)
    assert heard.kinds() == ["message", "app_mention", "thread_broadcast", "file_share", "file_shared"]
    check("event_app_mention", heard.events[1])
    assert heard.events[2]["root"]["text"] == f"<@{BOT_USER_ID}> hello"
    check("event_file_shared", heard.events[4])


def test_channels_and_members() -> None:
    """A new public channel and who joins; of a private one only the latter."""
    heard = Heard()
    public = heard.state.add_channel("inc-1")
    heard.state.join(public, ON_CALL)
    heard.state.add_channel("inc-2", is_private=True)
    created = [event for event in heard.events if event["type"] == "channel_created"]
    joined = [event for event in heard.events if event["type"] == "member_joined_channel"]
    assert [event["channel"]["name"] for event in created] == ["inc-1"]
    check("event_channel_created", created[0])
    assert (ON_CALL, public.channel_id) in [(event["user"], event["channel"]) for event in joined]
    check("event_member_joined_channel", joined[0])


def test_the_home_tab_brings_its_view() -> None:
    """Where there is one."""
    heard = Heard()
    heard.source.opened_home(ON_CALL)
    heard.state.publish_home(ON_CALL, {"type": "home", "blocks": []})
    heard.source.opened_home(ON_CALL)
    heard.source.opened_home(ON_CALL, "messages")
    check("event_app_home_opened", heard.events[0])
    assert [bool(event.get("view")) for event in heard.events] == [False, True, False]


def test_what_stood_before_is_not_new() -> None:
    """A workspace that was started again sends nothing of what it kept."""
    heard = Heard()
    ts = heard.say("old", user=BOT_USER_ID)
    events: list[dict[str, Any]] = []
    EventSource(heard.state, events.append)
    heard.state.update(heard.state.channel("incidents"), ts, {"text": "new"})
    assert [event.get("subtype") for event in events] == ["message_changed"]
    assert events[0]["previous_message"]["text"] == "old"
