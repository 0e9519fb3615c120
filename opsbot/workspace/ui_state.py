"""Everything that the page shows when it is opened; what changes after that is told live."""

from __future__ import annotations

from typing import Any

from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.views import Views


def shown(state: WorkspaceState, views: Views, *, is_connected: bool) -> dict[str, Any]:
    """The answer of `GET /ui/state`."""
    settings = state.settings
    return {
        "team": settings.team_name,
        "bot_user": BOT_USER_ID,
        "bot_connected": is_connected,
        "members": [{"id": m.user_id, "name": m.name, "title": m.title} for m in settings.members],
        "user_groups": [
            {"id": one.group_id, "handle": one.handle, "name": one.name, "users": list(one.user_ids)}
            for one in settings.user_groups
        ],
        "channels": [{**channel.shown(), "messages": channel.messages} for channel in state.channels.values()],
        "homes": state.homes,
        "views": views.stacks,
        "read": state.read,
        "commands": [
            {"command": one.command, "description": one.description, "usage_hint": one.usage_hint}
            for one in settings.app.commands
        ],
        "shortcuts": [
            {"callback_id": one.callback_id, "name": one.name, "type": one.type} for one in settings.app.shortcuts
        ],
    }
