"""Which channels the bot may see, read and write, and channels as Slack shows them."""

from __future__ import annotations

from typing import Any

from opsbot.workspace.api_arguments import Arguments, need
from opsbot.workspace.api_scopes import has_scope
from opsbot.workspace.settings import BOT_USER_ID, TEAM_ID
from opsbot.workspace.state import Channel, SlackError, WorkspaceState

PUBLIC_WRITE = "chat:write.public"


def visible(state: WorkspaceState, given: Arguments, name: str = "channel", *, by_name: bool = False) -> Channel:
    """The channel of an argument; a private one without the bot does not exist for it.

    Slack takes ids only; names, and people for their direct messages, only where something is posted (*by_name*).

    Raises: SlackError.
    """
    wanted = need(given, name)
    if wanted not in state.channels and not by_name:
        raise SlackError("channel_not_found")
    channel = state.channel(wanted)
    if channel.is_private and not channel.has_bot:
        raise SlackError("channel_not_found")
    return channel


def readable(state: WorkspaceState, given: Arguments, name: str = "channel") -> Channel:
    """A channel whose messages the bot may see: it must be a member. Raises SlackError."""
    channel = visible(state, given, name)
    if not channel.has_bot:
        raise SlackError("not_in_channel")
    return channel


def writable(state: WorkspaceState, given: Arguments, *, by_name: bool = False) -> Channel:
    """A channel the bot may post to: not archived, and it is a member or may post in public. Raises SlackError."""
    channel = visible(state, given, by_name=by_name)
    if channel.is_archived:
        raise SlackError("is_archived")
    if not channel.has_bot and not has_scope(state.settings, PUBLIC_WRITE):
        raise SlackError("not_in_channel")
    return channel


def shown(channel: Channel, *, with_num_members: bool = False) -> dict[str, Any]:
    """A channel as Slack's own object."""
    described: dict[str, Any] = {
        "id": channel.channel_id,
        "created": channel.created,
        "is_archived": channel.is_archived,
        "is_im": channel.is_im,
        "is_org_shared": False,
        "context_team_id": TEAM_ID,
        "updated": channel.created * 1000,
    }
    if channel.is_im:
        return {**described, "user": channel.user_id, "is_user_deleted": False, "is_open": True, "priority": 0}
    described |= {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.is_private,
        "is_group": False,
        "is_mpim": False,
        "is_private": channel.is_private,
        "is_general": channel.name == "general",
        "is_member": channel.has_bot,
        "is_shared": False,
        "is_ext_shared": False,
        "creator": channel.creator,
        "unlinked": 0,
        "topic": {"value": channel.topic, "creator": BOT_USER_ID if channel.topic else "", "last_set": 0},
        "purpose": {"value": channel.purpose, "creator": BOT_USER_ID if channel.purpose else "", "last_set": 0},
        "previous_names": [],
    }
    if with_num_members:
        described["num_members"] = len(channel.members)
    return described
