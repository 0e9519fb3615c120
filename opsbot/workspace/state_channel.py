"""A channel or direct message: its messages, members, pins and bookmarks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from opsbot.workspace.settings import BOT_USER_ID, ChannelSetting, WorkspaceSettings

Message = dict[str, Any]

MAX_REPLY_USERS = 5
"""As many as Slack names of those who replied."""
OF_A_THREAD = ("thread_ts", "reply_count", "reply_users", "reply_users_count", "latest_reply")
TOMBSTONE = "tombstone"
"""The subtype of what is left of a deleted message that has replies."""


@dataclass(slots=True)
class Channel:
    """One channel and its messages, oldest first, replies among them.

    Args:
        user_id: of a direct message with the bot: the other side.
        pins: the times of the pinned messages.
    """

    channel_id: str
    name: str
    messages: list[Message] = field(default_factory=list)
    is_private: bool = False
    is_archived: bool = False
    user_id: str | None = None
    topic: str = ""
    purpose: str = ""
    creator: str = BOT_USER_ID
    created: int = 0
    members: list[str] = field(default_factory=list)
    pins: list[str] = field(default_factory=list)
    bookmarks: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_setting(cls, setting: ChannelSetting, settings: WorkspaceSettings) -> Channel:
        """A channel that is there from the start."""
        members = list(setting.user_ids or (member.user_id for member in settings.members))
        return cls(
            setting.channel_id,
            setting.name,
            is_private=setting.is_private,
            topic=setting.topic,
            creator=members[0],
            members=[*members, *([BOT_USER_ID] if setting.has_bot else [])],
        )

    @property
    def is_im(self) -> bool:
        """Whether it is a direct message."""
        return self.user_id is not None

    @property
    def has_bot(self) -> bool:
        """Whether the bot is a member."""
        return BOT_USER_ID in self.members

    @property
    def kind(self) -> str:
        """Slack's name of the kind, as in `types` of conversations.list."""
        if self.is_im:
            return "im"
        return "private_channel" if self.is_private else "public_channel"

    def find(self, ts: str) -> Message | None:
        """The message at *ts*; what is left of a deleted one is none."""
        message = self.find_any(ts)
        return None if message is None or message.get("subtype") == TOMBSTONE else message

    def find_any(self, ts: str) -> Message | None:
        """The message at *ts*, also what is left of a deleted one."""
        return next((message for message in reversed(self.messages) if message["ts"] == ts), None)

    def replies(self, thread_ts: str) -> list[Message]:
        """The replies of a thread, oldest first."""
        return [m for m in self.messages if m.get("thread_ts") == thread_ts and m["ts"] != thread_ts]

    def count_replies(self, parent: Message) -> None:
        """Say on *parent* how many replies there are, whose, and when the last one was."""
        replies = self.replies(parent["ts"])
        for name in OF_A_THREAD:
            parent.pop(name, None)
        if not replies:
            return
        users = list(dict.fromkeys(str(reply["user"]) for reply in replies))
        parent |= {
            "thread_ts": parent["ts"],
            "reply_count": len(replies),
            "reply_users": users[:MAX_REPLY_USERS],
            "reply_users_count": len(users),
            "latest_reply": replies[-1]["ts"],
        }

    def kept(self) -> dict[str, Any]:
        """Everything but the messages, as it is kept."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "messages"}

    def shown(self) -> dict[str, Any]:
        """What the page is told of it, without its messages."""
        return {
            "id": self.channel_id,
            "name": self.name,
            "is_private": self.is_private or self.is_im,
            "is_im": self.is_im,
            "is_archived": self.is_archived,
            "topic": self.topic,
            "creator": self.creator,
            "members": list(self.members),
        }
