"""Channels: `conversations.*`. Membership is real: what the bot is not in it cannot read, or, if private, even see."""

from __future__ import annotations

from opsbot.workspace.api_arguments import Answer, Arguments, flag, names, need, paged, text
from opsbot.workspace.api_channels import readable, shown, visible
from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import Channel, SlackError, WorkspaceState

KINDS = frozenset({"public_channel", "private_channel", "im", "mpim"})
MAX_TOPIC = 250
ALREADY_IN = "already_in_channel"


class Conversations:
    """Lists, makes and changes channels."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self.methods = {
            "conversations.archive": self.archive,
            "conversations.create": self.create,
            "conversations.info": self.info,
            "conversations.invite": self.invite,
            "conversations.join": self.join,
            "conversations.kick": self.kick,
            "conversations.leave": self.leave,
            "conversations.list": self.channels,
            "conversations.members": self.members,
            "conversations.open": self.open,
            "conversations.rename": self.rename,
            "conversations.setPurpose": self.set_purpose,
            "conversations.setTopic": self.set_topic,
            "conversations.unarchive": self.unarchive,
            "users.conversations": self.of_user,
        }

    def channels(self, given: Arguments) -> Answer:
        """What the bot may see."""
        found = [c for c in self._wanted(given) if c.has_bot or not c.is_private]
        return paged("channels", [shown(c, with_num_members=True) for c in found], given)

    def of_user(self, given: Arguments) -> Answer:
        """What somebody (the bot, if nobody is named) is in, as far as the bot may see it."""
        user_id = text(given, "user") or BOT_USER_ID
        if user_id != BOT_USER_ID:
            self._check_user(user_id)
        found = [c for c in self._wanted(given) if user_id in c.members and (c.has_bot or not c.is_private)]
        return paged("channels", [shown(c) for c in found], given)

    def info(self, given: Arguments) -> Answer:
        """One channel."""
        channel = visible(self._state, given)
        return {"channel": shown(channel, with_num_members=flag(given, "include_num_members"))}

    def members(self, given: Arguments) -> Answer:
        """Who is in a channel."""
        return paged("members", visible(self._state, given).members, given)

    def create(self, given: Arguments) -> Answer:
        """A new channel with the bot in it."""
        channel = self._state.add_channel(text(given, "name"), is_private=flag(given, "is_private"))
        return {"channel": shown(channel)}

    def invite(self, given: Arguments) -> Answer:
        """Others become members: all of those named, or with `force` those who can."""
        channel, user_ids = self._own(given), names(given, "users")
        if not user_ids:
            raise SlackError("no_user")
        wrong = [(user_id, error) for user_id in user_ids if (error := self._cannot_be_invited(channel, user_id))]
        if wrong and not flag(given, "force"):
            raise SlackError(wrong[0][1])
        for user_id in user_ids:
            if user_id not in dict(wrong):
                self._state.join(channel, user_id)
        return {"channel": shown(channel)}

    def join(self, given: Arguments) -> Answer:
        """The bot becomes a member of a public channel."""
        channel = visible(self._state, given)
        if channel.is_private:
            raise SlackError("method_not_supported_for_channel_type")
        _check_open(channel)
        if self._state.join(channel, BOT_USER_ID):
            return {"channel": shown(channel)}
        return {
            "channel": shown(channel),
            "warning": ALREADY_IN,
            "response_metadata": {"warnings": [ALREADY_IN]},
        }

    def leave(self, given: Arguments) -> Answer:
        """The bot is a member no more."""
        channel = visible(self._state, given)
        if channel.is_im:
            raise SlackError("method_not_supported_for_channel_type")
        _check_open(channel)
        if channel.name == "general":
            raise SlackError("cant_leave_general")
        return {} if self._state.leave(channel, BOT_USER_ID) else {"not_in_channel": True}

    def kick(self, given: Arguments) -> Answer:
        """Somebody is a member no more."""
        channel, user_id = self._own(given), need(given, "user")
        if user_id == BOT_USER_ID:
            raise SlackError("cant_kick_self")
        self._check_user(user_id)
        if not self._state.leave(channel, user_id):
            raise SlackError("not_in_channel")
        return {}

    def open(self, given: Arguments) -> Answer:
        """The direct message with somebody."""
        user_ids = names(given, "users")
        if given.get("channel"):
            channel = visible(self._state, given)
        elif len(user_ids) == 1:
            self._check_user(user_ids[0])
            channel = self._state.direct(user_ids[0])
        else:
            raise SlackError("users_list_not_supplied" if not user_ids else "too_many_users")
        return {"channel": shown(channel) if flag(given, "return_im") else {"id": channel.channel_id}}

    def rename(self, given: Arguments) -> Answer:
        """Another name."""
        channel = self._own(given)
        self._state.rename(channel, text(given, "name"))
        return {"channel": shown(channel)}

    def set_topic(self, given: Arguments) -> Answer:
        """What the channel is about now."""
        channel = self._own(given)
        channel.topic = _line(given, "topic")
        self._state.changed(channel)
        return {"channel": shown(channel)}

    def set_purpose(self, given: Arguments) -> Answer:
        """What the channel is for."""
        channel = self._own(given)
        channel.purpose = _line(given, "purpose")
        self._state.changed(channel)
        return {"purpose": channel.purpose, "channel": shown(channel)}

    def archive(self, given: Arguments) -> Answer:
        """Nobody posts there any more."""
        channel = readable(self._state, given)
        if channel.is_archived:
            raise SlackError("already_archived")
        if channel.is_im:
            raise SlackError("method_not_supported_for_channel_type")
        if channel.name == "general":
            raise SlackError("cant_archive_general")
        channel.is_archived = True
        self._state.changed(channel)
        return {}

    def unarchive(self, given: Arguments) -> Answer:
        """People post there again."""
        channel = visible(self._state, given)
        if not channel.is_archived:
            raise SlackError("not_archived")
        channel.is_archived = False
        self._state.changed(channel)
        return {}

    def _own(self, given: Arguments) -> Channel:
        channel = readable(self._state, given)
        if channel.is_im:
            raise SlackError("method_not_supported_for_channel_type")
        _check_open(channel)
        return channel

    def _wanted(self, given: Arguments) -> list[Channel]:
        kinds = set(names(given, "types")) or {"public_channel"}
        if not kinds <= KINDS:
            raise SlackError("invalid_types")
        skips_archived = flag(given, "exclude_archived")
        return [c for c in self._state.channels.values() if c.kind in kinds and not (skips_archived and c.is_archived)]

    def _check_user(self, user_id: str) -> None:
        if not any(member.user_id == user_id for member in self._state.settings.members):
            raise SlackError("user_not_found")

    def _cannot_be_invited(self, channel: Channel, user_id: str) -> str:
        if user_id == BOT_USER_ID:
            return "cant_invite_self"
        if not any(member.user_id == user_id for member in self._state.settings.members):
            return "user_not_found"
        return ALREADY_IN if user_id in channel.members else ""


def _check_open(channel: Channel) -> None:
    if channel.is_archived:
        raise SlackError("is_archived")


def _line(given: Arguments, name: str) -> str:
    found = text(given, name)
    if len(found) > MAX_TOPIC:
        raise SlackError("too_long")
    return found
