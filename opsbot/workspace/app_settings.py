"""How the app stands in the workspace: its commands and shortcuts, the events it asks for, where its requests go.

In Slack these stand in the app's manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class CommandSetting:
    """A slash command of the app."""

    command: str
    description: str
    usage_hint: str = ""


@dataclass(frozen=True, slots=True)
class ShortcutSetting:
    """A shortcut of the app: in the menu of a message, or of the whole workspace."""

    callback_id: str
    name: str
    type: Literal["message", "global"]


COMMANDS = (CommandSetting("/ops", "Ask or tell the on-call bot", "status | incidents | ack 12 | why 12 | help"),)
SHORTCUTS = (
    ShortcutSetting("timeline.add", "Add to the incident's timeline", "message"),
    ShortcutSetting("ops.open", "Open the on-call menu", "global"),
)
EVENTS = (
    "app_home_opened",
    "app_mention",
    "channel_created",
    "file_shared",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "reaction_added",
    "reaction_removed",
)
"""Every event that the workspace can send, by the name that one subscribes to."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The app as it is registered.

    Args:
        request_url: where everything is POSTed; empty means Socket Mode.
        signing_secret: signs what is POSTed there.
        event_retries_s: pauses before an event that was not acknowledged is sent again; none switches that off.
            Slack's own are about 0, 60 and 300 seconds.
        trigger_life_s: how long a trigger opens a view.
        ack_within_s: how long the app has to acknowledge.

    Raises: ValueError if there is an address without a secret.
    """

    commands: tuple[CommandSetting, ...] = COMMANDS
    shortcuts: tuple[ShortcutSetting, ...] = SHORTCUTS
    events: tuple[str, ...] = EVENTS
    request_url: str = ""
    signing_secret: str = field(default="", repr=False)
    event_retries_s: tuple[float, ...] = (0.5, 2.0, 5.0)
    trigger_life_s: float = 3.0
    ack_within_s: float = 3.0

    def __post_init__(self) -> None:
        if self.request_url and not self.signing_secret:
            raise ValueError("request_url needs a signing_secret: without it nobody could tell a forged request")
        unknown = sorted(set(self.events) - set(EVENTS))
        if unknown:
            raise ValueError(f"unknown events {', '.join(unknown)}; there are {', '.join(EVENTS)}")
