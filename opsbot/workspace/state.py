"""What stands in the workspace: channels, messages, private answers, Home tabs. Listeners are told of every change.

A message is Slack's own JSON object, since that is what goes in and out on every side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opsbot.workspace.settings import BOT_ID, BOT_NAME, BOT_USER_ID, ChannelSetting, WorkspaceSettings
from opsbot.workspace.surface import with_ids

Message = dict[str, Any]
Listener = Callable[[dict[str, Any]], None]

MAX_MESSAGES = 2_000
"""Kept for each channel; the oldest go first."""


class SlackError(Exception):
    """One of Slack's own error names, with an explanation where Slack gives one."""

    def __init__(self, error: str, *explanations: str) -> None:
        super().__init__(error)
        self.error = error
        self.explanations = explanations


@dataclass(slots=True)
class Channel:
    """One channel and its messages, oldest first, replies among them."""

    channel_id: str
    name: str
    messages: list[Message] = field(default_factory=list)

    def find(self, ts: str) -> Message | None:
        """The message at *ts*."""
        return next((message for message in self.messages if message["ts"] == ts), None)


class WorkspaceState:
    """Everything, in memory."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.settings = settings
        self.channels = {c.channel_id: Channel(c.channel_id, c.name) for c in settings.channels}
        self.homes: dict[str, dict[str, Any]] = {}
        self._listeners: list[Listener] = []
        self._last_ts = 0.0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of every change; answers how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: dict[str, Any]) -> None:
        """Tell everyone who listens."""
        for listener in list(self._listeners):
            listener(change)

    def channel(self, name_or_id: str) -> Channel:
        """A channel by id, or by name with or without `#`.

        Raises: SlackError.
        """
        wanted = name_or_id.removeprefix("#")
        for channel in self.channels.values():
            if wanted in (channel.channel_id, channel.name):
                return channel
        raise SlackError("channel_not_found")

    def add_channel(self, name: str) -> Channel:
        """A new channel.

        Raises: SlackError if the name is taken.
        """
        if any(channel.name == name for channel in self.channels.values()):
            raise SlackError("name_taken")
        setting = ChannelSetting(f"C0{name.upper()[:12]}", name)
        channel = self.channels[setting.channel_id] = Channel(setting.channel_id, setting.name)
        self.tell({"type": "channel", "channel": {"id": channel.channel_id, "name": name}})
        return channel

    def post(self, channel: Channel, content: Message, *, user_id: str, thread_ts: str | None = None) -> Message:
        """Add a message, as a reply where *thread_ts* says so.

        Raises: SlackError if the thread is not there.
        """
        message: Message = {"type": "message", "ts": self._next_ts(), "user": user_id, **_content(content)}
        if user_id == BOT_USER_ID:
            message |= {"bot_id": BOT_ID, "username": BOT_NAME}
        if thread_ts is not None:
            parent = channel.find(thread_ts)
            if parent is None:
                raise SlackError("thread_not_found")
            message["thread_ts"] = thread_ts
            parent["thread_ts"] = thread_ts
            parent["reply_count"] = parent.get("reply_count", 0) + 1
            parent["latest_reply"] = message["ts"]
        channel.messages.append(message)
        del channel.messages[:-MAX_MESSAGES]
        self.tell({"type": "message", "channel": channel.channel_id, "message": message})
        if thread_ts is not None:
            self.tell({"type": "message", "channel": channel.channel_id, "message": channel.find(thread_ts)})
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
        message.update(_content(content))
        message["edited"] = {"user": BOT_USER_ID, "ts": self._next_ts()}
        self.tell({"type": "message", "channel": channel.channel_id, "message": message})
        return message

    def delete(self, channel: Channel, ts: str) -> None:
        """Remove a message; raises SlackError."""
        message = channel.find(ts)
        if message is None:
            raise SlackError("message_not_found")
        channel.messages.remove(message)
        self.tell({"type": "deleted", "channel": channel.channel_id, "ts": ts})

    def whisper(self, channel: Channel, user_id: str, content: Message, thread_ts: str | None = None) -> str:
        """Show something to one person only; it is not kept. Answers its ts."""
        message = {"type": "message", "ts": self._next_ts(), "user": BOT_USER_ID, "bot_id": BOT_ID, **_content(content)}
        message |= {"username": BOT_NAME, "is_ephemeral": True, "thread_ts": thread_ts}
        self.tell({"type": "ephemeral", "channel": channel.channel_id, "user": user_id, "message": message})
        return str(message["ts"])

    def publish_home(self, user_id: str, view: dict[str, Any]) -> None:
        """What somebody's Home tab shows."""
        self.homes[user_id] = view
        self.tell({"type": "home", "user": user_id, "view": view})

    def _next_ts(self) -> str:
        self._last_ts = max(time.time(), self._last_ts + 0.000001)
        return f"{self._last_ts:.6f}"


def _content(content: Message) -> Message:
    return {**content, "blocks": with_ids(content["blocks"])} if content.get("blocks") else content
