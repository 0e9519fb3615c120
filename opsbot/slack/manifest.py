"""The app as Slack must know it: scopes, events, shortcuts and the command, each with its reason; and its manifest.

One table, from which the manifests in docs/slack and the check of a token's scopes are made. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME = "opsbot"
DESCRIPTION = (
    "On call for large language model serving: what is wrong, what the bot does about it, and how it is undone."
)
COLOUR = "#1f2a44"
"""Behind the app's name; dark enough for white text."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One bot scope.

    Args:
        methods: of the Web API that need it.
        events: that need it.
        without: what does not work if it is missing.
    """

    name: str
    reason: str
    without: str
    methods: Sequence[str] = ()
    events: Sequence[str] = ()


SCOPES: Sequence[Scope] = (
    Scope(
        "chat:write", "post and edit incidents' messages, answer presses", "nothing is said in Slack at all",
        ("chat.postMessage", "chat.update", "chat.postEphemeral"),
    ),
    Scope(
        "commands", "`/ops` and the two shortcuts", "`/ops` and the shortcuts do not exist",
    ),
    Scope(
        "channels:read", "find the incidents channel by its name", "name the channel by its id in opsbot.yaml",
        ("conversations.list", "conversations.info"),
    ),
    Scope(
        "groups:read", "find private channels, and see that the trust and safety channel is private",
        "trust and safety matters are told to nobody in a channel", ("conversations.list", "conversations.info"),
    ),
    Scope(
        "channels:join", "join the incidents channel if it is public", "invite the bot by hand",
        ("conversations.join",),
    ),
    Scope(
        "channels:history", "find a message whose posting was cut off, read one that is added to a timeline",
        "a message may stand twice after a crash; pins add nothing",
        ("conversations.history", "conversations.replies"),
    ),
    Scope(
        "groups:history", "the same in private channels", "the same in private channels",
        ("conversations.history", "conversations.replies"),
    ),
    Scope(
        "reactions:read", "a 📌 on a message adds it to a timeline", "pins add nothing; the shortcut does",
        events=("reaction_added", "reaction_removed"),
    ),
    Scope(
        "files:write", "charts in messages", "messages have no charts",
        ("files.getUploadURLExternal", "files.completeUploadExternal", "files.delete"),
    ),
    Scope(
        "files:read", "find a report's chart that was uploaded before a crash",
        "after a crash a chart may be stored twice, and is shown once",
        ("files.list",),
    ),
    Scope(
        "users:read", "the name of whoever wrote a message on a timeline", "timelines show ids in place of names",
        ("users.info",),
    ),
    Scope(
        "users:read.email", "`email` under `people`", "nobody is known by an address",
        ("users.lookupByEmail",),
    ),
    Scope(
        "usergroups:read", "`user_group` under `people`", "nobody has a role by a user group",
        ("usergroups.list", "usergroups.users.list"), ("subteam_members_changed", "subteam_updated"),
    ),
)  # fmt: skip
FREE_METHODS = frozenset({"auth.test", "chat.getPermalink", "views.open", "views.publish", "views.update"})
"""Of the Web API that the bot calls and that need no scope."""
APP_LEVEL: Mapping[str, str] = {"apps.connections.open": "connections:write"}
"""Methods of the app token, with its scope."""
FREE_EVENTS: Mapping[str, str] = {"app_home_opened": "the Home tab"}
MAY_LACK = frozenset({"users:read.email", "usergroups:read"})
"""Only needed where opsbot.yaml names a user group or an address."""
COMMAND = "/ops"
HINT = "status | incidents | ack 12 | why 12 | help"


def manifest(request_url: str = "") -> dict[str, Any]:
    """The manifest as values: for Socket Mode, or with a *request_url* for HTTP mode."""
    url = {"url": request_url} if request_url else {}
    events: dict[str, Any] = {"bot_events": sorted({*FREE_EVENTS, *(event for one in SCOPES for event in one.events)})}
    interactivity: dict[str, Any] = {"is_enabled": True}
    if request_url:
        events = {"request_url": request_url, **events}
        interactivity |= {"request_url": request_url, "message_menu_options_url": request_url}
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {"name": NAME, "description": DESCRIPTION, "background_color": COLOUR},
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": False,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": NAME, "always_online": True},
            "shortcuts": [
                {
                    "name": "Add to a timeline",
                    "type": "message",
                    "callback_id": "timeline.add",
                    "description": "Add this message to the timeline of an incident.",
                },
                {
                    "name": "Open the on-call menu",
                    "type": "global",
                    "callback_id": "ops.open",
                    "description": "What is open, and what can be done about it.",
                },
            ],
            "slash_commands": [
                {
                    "command": COMMAND,
                    **url,
                    "description": "Ask or tell the on-call bot",
                    "usage_hint": HINT,
                    "should_escape": False,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": [one.name for one in SCOPES]}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not request_url,
            "token_rotation_enabled": False,
        },
    }


def manifest_text(request_url: str = "") -> str:
    """The manifest as YAML, with the reason beside each scope."""
    import yaml

    text: str = yaml.safe_dump(manifest(request_url), sort_keys=False, allow_unicode=True, width=120)
    reasons = {one.name: one.reason for one in SCOPES}
    lines = []
    for line in text.splitlines():
        reason = reasons.get(line.strip().removeprefix("- "))
        lines.append(f"{line}  # {reason}" if reason else line)
    how = "opsbot slack manifest" + (f" --mode http --url {request_url}" if request_url else "")
    return f"# Made by `{how}`: paste it at https://api.slack.com/apps, Create New App, From a manifest.\n" + "\n".join(
        (*lines, "")
    )


def scopes_of(method: str) -> frozenset[str]:
    """The scopes that *method* needs, any of which lets it be called."""
    return frozenset(one.name for one in SCOPES if method in one.methods)
