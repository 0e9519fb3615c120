"""Reactions, pins, bookmarks and emoji: `reactions.*`, `pins.*`, `bookmarks.*`, `emoji.list`."""

from __future__ import annotations

from opsbot.workspace.api_arguments import Answer, Arguments, need, text
from opsbot.workspace.api_channels import readable
from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.state_reactions import bookmark, pin, react, unpin, unreact


class Reactions:
    """What the bot does with messages besides writing them."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self.methods = {
            "bookmarks.add": self.add_bookmark,
            "bookmarks.list": self.bookmarks,
            "emoji.list": self.emoji,
            "pins.add": self.add_pin,
            "pins.list": self.pins,
            "pins.remove": self.remove_pin,
            "reactions.add": self.add,
            "reactions.get": self.get,
            "reactions.remove": self.remove,
        }

    def add(self, given: Arguments) -> Answer:
        """The bot reacts."""
        channel = readable(self._state, given)
        react(self._state, channel, need(given, "timestamp"), need(given, "name"), BOT_USER_ID)
        return {}

    def remove(self, given: Arguments) -> Answer:
        """The bot takes its reaction back."""
        channel = readable(self._state, given)
        unreact(self._state, channel, need(given, "timestamp"), need(given, "name"), BOT_USER_ID)
        return {}

    def get(self, given: Arguments) -> Answer:
        """A message with its reactions."""
        channel = readable(self._state, given)
        message = channel.find(need(given, "timestamp"))
        if message is None:
            raise SlackError("message_not_found")
        return {"type": "message", "channel": channel.channel_id, "message": message}

    def add_pin(self, given: Arguments) -> Answer:
        """The bot pins a message."""
        pin(self._state, readable(self._state, given), need(given, "timestamp"), BOT_USER_ID)
        return {}

    def remove_pin(self, given: Arguments) -> Answer:
        """The bot takes a pin off."""
        unpin(self._state, readable(self._state, given), need(given, "timestamp"))
        return {}

    def pins(self, given: Arguments) -> Answer:
        """What is pinned."""
        channel = readable(self._state, given)
        found = [channel.find(ts) for ts in channel.pins]
        items = [
            {
                "type": "message",
                "channel": channel.channel_id,
                "created": one["pinned_info"]["pinned_ts"],
                "created_by": one["pinned_info"]["pinned_by"],
                "message": one,
            }
            for one in found
            if one is not None
        ]
        return {"items": items}

    def add_bookmark(self, given: Arguments) -> Answer:
        """A link on the channel's bar."""
        channel = readable(self._state, given, "channel_id")
        if text(given, "type") != "link":
            raise SlackError("invalid_bookmark_type")
        title, link = need(given, "title"), need(given, "link")
        return {"bookmark": bookmark(self._state, channel, title, link, text(given, "emoji"))}

    def bookmarks(self, given: Arguments) -> Answer:
        """The links on the channel's bar."""
        return {"bookmarks": readable(self._state, given, "channel_id").bookmarks}

    def emoji(self, given: Arguments) -> Answer:
        """Emoji of the workspace's own: there are none."""
        return {"emoji": {}, "cache_ts": "0"}
