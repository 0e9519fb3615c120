"""Which scope a method needs, by Slack's names; the shortest list of them is in each method's reference page."""

from __future__ import annotations

from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.state_errors import SlackError

_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_MANAGE = ("channels:manage", "groups:write")

SCOPES: dict[str, tuple[str, ...]] = {
    "bookmarks.add": ("bookmarks:write",),
    "bookmarks.list": ("bookmarks:read",),
    "bots.info": ("users:read",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.archive": _MANAGE,
    "conversations.create": _MANAGE,
    "conversations.history": _HISTORY,
    "conversations.info": _READ,
    "conversations.invite": (*_MANAGE, "channels:write.invites", "groups:write.invites"),
    "conversations.join": ("channels:join",),
    "conversations.kick": _MANAGE,
    "conversations.leave": _MANAGE,
    "conversations.list": _READ,
    "conversations.members": _READ,
    "conversations.open": ("im:write", "mpim:write"),
    "conversations.rename": _MANAGE,
    "conversations.replies": _HISTORY,
    "conversations.setPurpose": (*_MANAGE, "channels:write.topic", "groups:write.topic"),
    "conversations.setTopic": (*_MANAGE, "channels:write.topic", "groups:write.topic"),
    "conversations.unarchive": _MANAGE,
    "emoji.list": ("emoji:read",),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "files.list": ("files:read",),
    "pins.add": ("pins:write",),
    "pins.list": ("pins:read",),
    "pins.remove": ("pins:write",),
    "reactions.add": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "reactions.remove": ("reactions:write",),
    "team.info": ("team:read",),
    "usergroups.list": ("usergroups:read",),
    "usergroups.users.list": ("usergroups:read",),
    "users.conversations": _READ,
    "users.info": ("users:read",),
    "users.list": ("users:read",),
    "users.lookupByEmail": ("users:read.email",),
}


class MissingScope(SlackError):
    """The token may not do that; the answer names what it would need and what it has."""

    def __init__(self, needed: str, provided: str) -> None:
        super().__init__("missing_scope")
        self.needed = needed
        self.provided = provided


def check_scope(method: str, settings: WorkspaceSettings) -> None:
    """Raises: MissingScope if a list of scopes is set and holds none that *method* needs."""
    needed = SCOPES.get(method, ())
    if settings.scopes is not None and needed and not settings.scopes & set(needed):
        raise MissingScope(",".join(needed), ",".join(sorted(settings.scopes)))


def has_scope(settings: WorkspaceSettings, scope: str) -> bool:
    """Whether a list of scopes is set and holds *scope*."""
    return settings.scopes is not None and scope in settings.scopes
