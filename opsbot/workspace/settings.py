"""Who and what there is in the local workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from opsbot.workspace.app_settings import AppSettings


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the workspace."""

    user_id: str
    name: str
    title: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class UserGroup:
    """People who are mentioned together, as `@handle`."""

    group_id: str
    handle: str
    name: str
    user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """A channel that is there from the start.

    Args:
        user_ids: its members; none named means everybody.
        has_bot: whether the bot is a member. Of a public channel it can become one by itself.
    """

    channel_id: str
    name: str
    is_private: bool = False
    topic: str = ""
    user_ids: tuple[str, ...] = ()
    has_bot: bool = True


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept, and where.

    Args:
        path: a SQLite file; None keeps everything in memory only.
        max_messages: of each channel; the oldest go first.
        max_file_bytes, max_files_bytes: of one file, and of all files together; the oldest go first.
    """

    path: Path | None = None
    max_messages: int = 2_000
    max_file_bytes: int = 20 << 20
    max_files_bytes: int = 200 << 20


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """Where the workspace listens, its tokens, people and channels.

    Args:
        bot_token, app_token: what the bot must present; any text.
        page_token: what opens the page; part of the printed address.
        scopes: what the bot token may do, by Slack's names; None for everything but posting where the bot is not in.
        max_blocks_characters: of all texts in the blocks of a message together. Slack's is about that; it does not
            state it (`msg_blocks_too_long`, github.com/slackapi/bolt-js/issues/2509).
        has_rate_limits: whether Slack's own rate limits hold from the start.
        app: its commands, shortcuts and events, and how it is reached.
    """

    bot_token: str
    app_token: str
    page_token: str
    host: str = "127.0.0.1"
    port: int = 8065
    team_name: str = "Local workspace"
    members: tuple[Member, ...] = (
        Member("U0ONCALL", "on-call engineer", "responder", "oncall@workspace.example"),
        Member("U0SECOND", "second engineer", "responder", "second@workspace.example"),
        Member("U0COMMANDER", "incident commander", "commander", "commander@workspace.example"),
        Member("U0SAFETY", "trust and safety analyst", "trust_and_safety", "safety@workspace.example"),
        Member("U0VISITOR", "visitor", "no role", "visitor@workspace.example"),
    )
    user_groups: tuple[UserGroup, ...] = (
        UserGroup("S0ONCALL", "oncall", "On call", ("U0ONCALL", "U0SECOND")),
        UserGroup("S0COMMANDERS", "commanders", "Incident commanders", ("U0COMMANDER",)),
        UserGroup("S0SAFETY", "trust-and-safety", "Trust and safety", ("U0SAFETY",)),
    )
    channels: tuple[ChannelSetting, ...] = (
        ChannelSetting("C0INCIDENTS", "incidents", topic="One message for each incident"),
        ChannelSetting("C0OPS", "ops", topic="Questions and commands"),
        ChannelSetting("C0UTILISATION", "ops-utilisation", topic="Tokens a minute, peaks and load tests"),
        ChannelSetting("C0SAFETY", "trust-and-safety", is_private=True, user_ids=("U0SAFETY",)),
        ChannelSetting("C0GENERAL", "general", has_bot=False),
    )
    scopes: frozenset[str] | None = None
    max_blocks_characters: int = 13_200
    has_rate_limits: bool = False
    keeping: Keeping = Keeping()
    app: AppSettings = field(default_factory=AppSettings)


TEAM_ID = "T0LOCAL"
TEAM_DOMAIN = "local"
APP_ID = "A0OPSBOT"
BOT_ID = "B0OPSBOT"
BOT_USER_ID = "U0OPSBOT"
BOT_NAME = "opsbot"
