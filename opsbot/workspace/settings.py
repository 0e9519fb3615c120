"""Who and what there is in the local workspace."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsbot.workspace.app_settings import AppSettings


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the workspace."""

    user_id: str
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """A channel that is there from the start."""

    channel_id: str
    name: str


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """Where the workspace listens, its tokens, people and channels.

    Args:
        bot_token, app_token: what the bot must present; any text.
        page_token: what opens the page; part of the printed address.
        app: its commands, shortcuts and events, and how it is reached.
    """

    bot_token: str
    app_token: str
    page_token: str
    host: str = "127.0.0.1"
    port: int = 8065
    team_name: str = "Local workspace"
    members: tuple[Member, ...] = (
        Member("U0ONCALL", "on-call engineer", "responder"),
        Member("U0COMMANDER", "incident commander", "commander"),
        Member("U0VISITOR", "visitor", "no role"),
    )
    channels: tuple[ChannelSetting, ...] = (
        ChannelSetting("C0INCIDENTS", "incidents"),
        ChannelSetting("C0OPS", "ops"),
    )
    app: AppSettings = field(default_factory=AppSettings)


TEAM_ID = "T0LOCAL"
APP_ID = "A0OPSBOT"
BOT_ID = "B0OPSBOT"
BOT_USER_ID = "U0OPSBOT"
BOT_NAME = "opsbot"
