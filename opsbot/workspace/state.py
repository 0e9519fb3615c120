"""What stands in the workspace: channels, messages, private answers, Home tabs. Listeners are told of every change.

A message is Slack's own JSON object, since that is what goes in and out on every side. Every change is kept as it is
told of (`state_store`); what people do with messages besides writing them stands in `state_reactions`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from opsbot.workspace.settings import APP_ID, BOT_ID, BOT_NAME, BOT_USER_ID, TEAM_ID, WorkspaceSettings
from opsbot.workspace.state_channel import TOMBSTONE, Channel, Message
from opsbot.workspace.state_errors import SlackError
from opsbot.workspace.state_store import StateStore
from opsbot.workspace.surface import with_ids

__all__ = ["Channel", "Message", "SlackError", "WorkspaceState"]

Listener = Callable[[dict[str, Any]], None]

MAX_CHANNELS = 500
MAX_CHANNEL_NAME = 80
CHANNEL_NAME = re.compile(r"[\w-]+")
OF_A_TOMBSTONE = ("type", "ts", "thread_ts", "reply_count", "latest_reply")
TOMBSTONE_TEXT = "This message was deleted."


class WorkspaceState:
    """Everything; kept where the settings say."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.settings = settings
        self.store = StateStore(settings.keeping.path)
        self.channels: dict[str, Channel] = {}
        for setting in settings.channels:
            self._put(Channel.from_setting(setting, settings))
        for _, kept in self.store.entries("channel"):
            self._put(Channel(**kept))
        for channel in self.channels.values():
            channel.messages = self.store.messages(channel.channel_id)
        self.homes: dict[str, dict[str, Any]] = dict(self.store.entries("home"))
        self.read: dict[str, dict[str, str]] = dict(self.store.entries("read"))
        self.base_url = f"http://{settings.host}:{settings.port}"
        self._triggers: dict[str, str] = {}
        self._listeners: list[Listener] = []
        newest = (c.messages[-1]["ts"].replace(".", "") for c in self.channels.values() if c.messages)
        self._last_us = max(map(int, newest), default=0)

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of every change; answers how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: dict[str, Any]) -> None:
        """Keep a change, then tell everyone who listens: whoever changes something tells of it, here."""
        self._keep(change)
        for listener in list(self._listeners):
            listener(change)

    # -- channels

    def channel(self, name_or_id: str) -> Channel:
        """A channel by id, or by name with or without `#`; a person's id means the direct message with them.

        Raises: SlackError.
        """
        wanted = name_or_id.removeprefix("#")
        if wanted in self.channels:
            return self.channels[wanted]
        if any(wanted == member.user_id for member in self.settings.members):
            return self.direct(wanted)
        for channel in self.channels.values():
            if wanted == channel.name and not channel.is_im:
                return channel
        raise SlackError("channel_not_found")

    def direct(self, user_id: str) -> Channel:
        """The direct message of the bot with somebody, made when it is first asked for."""
        channel_id = f"D{user_id.removeprefix('U')}"
        if channel_id not in self.channels:
            name = next((one.name for one in self.settings.members if one.user_id == user_id), user_id)
            members = [user_id, BOT_USER_ID]
            channel = Channel(channel_id, name, is_private=True, user_id=user_id, members=members)
            channel.created = int(time.time())
            self.changed(self._put(channel))
        return self.channels[channel_id]

    def add_channel(self, name: str, *, is_private: bool = False, creator: str = BOT_USER_ID) -> Channel:
        """A new channel, whose first member is its creator.

        Raises: SlackError if the name is taken or none, or there are too many.
        """
        self._check_name(name)
        if len(self.channels) >= MAX_CHANNELS:
            raise SlackError("restricted_action", f"there are {MAX_CHANNELS} channels already")
        channel = Channel(f"C0{secrets.token_hex(4).upper()}", name, is_private=is_private, creator=creator)
        channel.created, channel.members = int(time.time()), [creator]
        self.changed(self._put(channel))
        return channel

    def rename(self, channel: Channel, name: str) -> None:
        """Give a channel another name; raises SlackError."""
        if name != channel.name:
            self._check_name(name)
        channel.name = name
        self.changed(channel)

    def join(self, channel: Channel, user_id: str) -> bool:
        """Make somebody a member; answers whether they were not before."""
        if user_id in channel.members:
            return False
        channel.members.append(user_id)
        self.changed(channel)
        return True

    def leave(self, channel: Channel, user_id: str) -> bool:
        """End a membership; answers whether there was one."""
        if user_id not in channel.members:
            return False
        channel.members.remove(user_id)
        self.changed(channel)
        return True

    def changed(self, channel: Channel) -> None:
        """Tell of a channel that is new or was changed."""
        self.tell({"type": "channel", "channel": channel.shown()})

    # -- messages

    def post(self, channel: Channel, content: Message, *, user_id: str, thread_ts: str | None = None) -> Message:
        """Add a message, as a reply where *thread_ts* says so.

        Raises: SlackError if the thread is not there.
        """
        parent = None
        if thread_ts is not None:
            parent = channel.find_any(thread_ts)
            if parent is None:
                raise SlackError("thread_not_found")
            thread_ts = str(parent.get("thread_ts", thread_ts))
            parent = channel.find_any(thread_ts)
        message: Message = {"type": "message", "ts": self.next_ts(), "user": user_id, "team": TEAM_ID, **content}
        if user_id == BOT_USER_ID:
            message = {"username": BOT_NAME, **message, "bot_id": BOT_ID, "app_id": APP_ID}
        if message.get("blocks"):
            message["blocks"] = with_ids(message["blocks"])
        if thread_ts is not None:
            message["thread_ts"] = thread_ts
        if message.get("reply_broadcast"):
            message["subtype"] = "thread_broadcast"
        channel.messages.append(message)
        self.put(channel, message)
        if parent is not None:
            channel.count_replies(parent)
            self.put(channel, parent)
        self._forget_oldest(channel)
        return message

    def update(self, channel: Channel, ts: str, content: Message) -> Message:
        """Edit a message of the bot's in place.

        Raises: SlackError.
        """
        message = channel.find(ts)
        if message is None:
            raise SlackError("message_not_found")
        if message.get("bot_id") != BOT_ID:
            raise SlackError("cant_update_message")
        if content.get("blocks"):
            content = {**content, "blocks": with_ids(content["blocks"])}
        message.update(content)
        message["edited"] = {"user": BOT_USER_ID, "ts": self.next_ts()}
        self.put(channel, message)
        return message

    def delete(self, channel: Channel, ts: str) -> None:
        """Remove a message; of one with replies a tombstone stays. Raises SlackError."""
        message = channel.find(ts)
        if message is None:
            raise SlackError("message_not_found")
        if message.get("reply_count"):
            kept: Message = {name: message[name] for name in OF_A_TOMBSTONE if name in message}
            message.clear()
            message |= {**kept, "subtype": TOMBSTONE, "text": TOMBSTONE_TEXT, "user": "USLACKBOT", "hidden": True}
            self.put(channel, message)
        else:
            self._remove(channel, message)
        parent = channel.find_any(str(message.get("thread_ts", ts)))
        if parent is not None and parent is not message:
            channel.count_replies(parent)
            if parent.get("subtype") == TOMBSTONE and "reply_count" not in parent:
                self._remove(channel, parent)
            else:
                self.put(channel, parent)
        if ts in channel.pins:
            channel.pins.remove(ts)
            self.changed(channel)

    def put(self, channel: Channel, message: Message) -> None:
        """Tell of a message that is new or was changed."""
        self.tell({"type": "message", "channel": channel.channel_id, "message": message})

    def whisper(self, channel: Channel, user_id: str, content: Message, thread_ts: str | None = None) -> str:
        """Show something to one person only; it is not kept. Answers its ts."""
        message = {"type": "message", "ts": self.next_ts(), "user": BOT_USER_ID, "bot_id": BOT_ID, **content}
        message |= {"username": BOT_NAME, "is_ephemeral": True, "thread_ts": thread_ts}
        if message.get("blocks"):
            message["blocks"] = with_ids(message["blocks"])
        self.tell({"type": "ephemeral", "channel": channel.channel_id, "user": user_id, "message": message})
        return str(message["ts"])

    def mark_read(self, user_id: str, channel: Channel, ts: str) -> None:
        """Somebody has read a channel up to *ts*."""
        self.tell({"type": "read", "user": user_id, "channel": channel.channel_id, "ts": ts})

    # -- views

    def publish_home(self, user_id: str, view: dict[str, Any]) -> None:
        """What somebody's Home tab shows."""
        self.homes[user_id] = view
        self.tell({"type": "home", "user": user_id, "view": view})

    def next_ts(self) -> str:
        """A time that no message has yet, in seconds."""
        self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06}"

    def _put(self, channel: Channel) -> Channel:
        self.channels[channel.channel_id] = channel
        return channel

    def _check_name(self, name: str) -> None:
        if not name or len(name) > MAX_CHANNEL_NAME:
            raise SlackError("invalid_name_required" if not name else "invalid_name_maxlength")
        if not CHANNEL_NAME.fullmatch(name) or name != name.lower():
            raise SlackError("invalid_name_specials")
        if any(channel.name == name for channel in self.channels.values()):
            raise SlackError("name_taken")

    def _remove(self, channel: Channel, message: Message) -> None:
        channel.messages.remove(message)
        self.tell({"type": "deleted", "channel": channel.channel_id, "ts": message["ts"]})

    def _forget_oldest(self, channel: Channel) -> None:
        gone = channel.messages[: -self.settings.keeping.max_messages]
        if gone:
            del channel.messages[: len(gone)]
            self.store.drop_messages(channel.channel_id, [message["ts"] for message in gone])

    def _keep(self, change: dict[str, Any]) -> None:
        match change["type"]:
            case "message":
                self.store.put_message(change["channel"], change["message"])
            case "deleted":
                self.store.drop_messages(change["channel"], [change["ts"]])
            case "channel":
                channel_id = change["channel"]["id"]
                self.store.put("channel", channel_id, self.channels[channel_id].kept())
            case "home":
                self.store.put("home", change["user"], change["view"])
            case "read":
                self.read.setdefault(change["user"], {})[change["channel"]] = change["ts"]
                self.store.put("read", change["user"], self.read[change["user"]])
