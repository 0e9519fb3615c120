"""What people and the bot do with messages besides writing them: reactions, pins and bookmarks."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.state_channel import Channel, Message
from opsbot.workspace.state_errors import SlackError

EMOJI_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")
MAX_REACTIONS = 50
"""Different ones on one message; Slack allows so many (`too_many_reactions`)."""
MAX_PINS = 100
MAX_BOOKMARKS = 100


def react(state: WorkspaceState, channel: Channel, ts: str, name: str, user_id: str) -> None:
    """Add somebody's reaction; raises SlackError."""
    message, name = _message(channel, ts), _emoji(name)
    reactions: list[Message] = message.setdefault("reactions", [])
    found = next((one for one in reactions if one["name"] == name), None)
    if found is not None and user_id in found["users"]:
        raise SlackError("already_reacted")
    if found is None:
        if len(reactions) >= MAX_REACTIONS:
            raise SlackError("too_many_reactions")
        found = {"name": name, "users": [], "count": 0}
        reactions.append(found)
    found["users"].append(user_id)
    found["count"] = len(found["users"])
    state.put(channel, message)


def unreact(state: WorkspaceState, channel: Channel, ts: str, name: str, user_id: str) -> None:
    """Take somebody's reaction back; raises SlackError."""
    message, name = _message(channel, ts), _emoji(name)
    found = next((one for one in message.get("reactions", []) if one["name"] == name), None)
    if found is None or user_id not in found["users"]:
        raise SlackError("no_reaction")
    found["users"].remove(user_id)
    found["count"] = len(found["users"])
    message["reactions"] = [one for one in message["reactions"] if one["count"]]
    if not message["reactions"]:
        del message["reactions"]
    state.put(channel, message)


def pin(state: WorkspaceState, channel: Channel, ts: str, user_id: str) -> None:
    """Pin a message to its channel; raises SlackError."""
    message = _message(channel, ts)
    if ts in channel.pins:
        raise SlackError("already_pinned")
    if len(channel.pins) >= MAX_PINS:
        raise SlackError("too_many_pins")
    channel.pins.append(ts)
    message["pinned_to"] = [channel.channel_id]
    message["pinned_info"] = {"channel": channel.channel_id, "pinned_by": user_id, "pinned_ts": int(time.time())}
    state.put(channel, message)
    state.changed(channel)


def unpin(state: WorkspaceState, channel: Channel, ts: str) -> None:
    """Take a pin off; raises SlackError."""
    message = _message(channel, ts)
    if ts not in channel.pins:
        raise SlackError("no_pin")
    channel.pins.remove(ts)
    message.pop("pinned_to", None)
    message.pop("pinned_info", None)
    state.put(channel, message)
    state.changed(channel)


def bookmark(state: WorkspaceState, channel: Channel, title: str, link: str, emoji: str) -> dict[str, Any]:
    """Add a link to a channel's bar; raises SlackError."""
    if not link.startswith(("http://", "https://")):
        raise SlackError("invalid_link")
    if len(channel.bookmarks) >= MAX_BOOKMARKS:
        raise SlackError("too_many_bookmarks")
    made = {
        "id": f"Bk{secrets.token_hex(4).upper()}",
        "channel_id": channel.channel_id,
        "title": title,
        "link": link,
        "emoji": emoji,
        "type": "link",
        "date_created": int(time.time()),
    }
    channel.bookmarks.append(made)
    state.changed(channel)
    return made


def _message(channel: Channel, ts: str) -> Message:
    message = channel.find(ts)
    if message is None:
        raise SlackError("message_not_found")
    return message


def _emoji(name: str) -> str:
    name = name.strip(":")
    if not EMOJI_NAME.fullmatch(name):
        raise SlackError("invalid_name")
    return name
