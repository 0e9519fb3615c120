"""Everything that the page shows when it is opened; what changes after that is told live."""

from __future__ import annotations

from typing import Any

from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import Channel, WorkspaceState
from opsbot.workspace.views import Views


def shown(state: WorkspaceState, views: Views, *, is_connected: bool) -> dict[str, Any]:
    """The answer of `GET /ui/state`."""
    settings = state.settings
    return {
        "team": settings.team_name,
        "bot_user": BOT_USER_ID,
        "bot_connected": is_connected,
        "members": [{"id": m.user_id, "name": m.name, "title": m.title} for m in settings.members],
        "user_groups": [],
        "channels": [_channel(channel, state) for channel in state.channels.values()],
        "homes": state.homes,
        "views": views.stacks,
        "read": {},
        "commands": [
            {"command": one.command, "description": one.description, "usage_hint": one.usage_hint}
            for one in settings.app.commands
        ],
        "shortcuts": [
            {"callback_id": one.callback_id, "name": one.name, "type": one.type} for one in settings.app.shortcuts
        ],
    }


def _channel(channel: Channel, state: WorkspaceState) -> dict[str, Any]:
    members = [member.user_id for member in state.settings.members]
    return {
        "id": channel.channel_id,
        "name": channel.name,
        "is_private": False,
        "topic": "",
        "members": members,
        "messages": channel.messages,
    }
