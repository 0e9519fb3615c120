"""What Slack sends to an app when people use it, shape by shape. Pure: no state, no clock.

The shapes stand in Slack's reference: docs.slack.dev/reference/interaction-payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsbot.workspace.settings import APP_ID, BOT_USER_ID, TEAM_ID
from opsbot.workspace.surface import Payload, Values

TEAM_DOMAIN = "local"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every payload of an interaction holds: who, in which workspace, for which app."""

    user_id: str
    user_name: str
    token: str
    trigger_id: str = ""

    def common(self, kind: str) -> Payload:
        """Those fields."""
        handle = handle_of(self.user_name)
        made: Payload = {
            "type": kind,
            "user": {"id": self.user_id, "username": handle, "name": handle, "team_id": TEAM_ID},
            "api_app_id": APP_ID,
            "token": self.token,
            "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
        }
        return made | {"trigger_id": self.trigger_id} if self.trigger_id else made


@dataclass(frozen=True, slots=True)
class MessagePlace:
    """A message that something is used on."""

    channel_id: str
    channel_name: str
    message: Payload
    is_ephemeral: bool = False

    def container(self) -> Payload:
        """Where the element stands."""
        made = {
            "type": "message",
            "message_ts": self.message["ts"],
            "channel_id": self.channel_id,
            "is_ephemeral": self.is_ephemeral,
        }
        thread_ts = self.message.get("thread_ts")
        return made | {"thread_ts": thread_ts} if thread_ts else made

    def fields(self) -> Payload:
        """What a payload says of the message; Slack shows the app no content of ephemeral ones."""
        made: Payload = {
            "container": self.container(),
            "channel": {"id": self.channel_id, "name": self.channel_name},
        }
        return made if self.is_ephemeral else made | {"message": {"team": TEAM_ID, **self.message}}


def handle_of(name: str) -> str:
    """A member's user name: theirs in small letters, without spaces."""
    return re.sub(r"[^a-z0-9._-]+", ".", name.lower()).strip(".") or "member"


def with_values(view: Payload, values: Values) -> Payload:
    """The view with what stands in it."""
    return {**view, "state": {"values": values}}


def view_fields(view: Payload, values: Values) -> Payload:
    """What a payload says of a view that something is used on."""
    return {"container": {"type": "view", "view_id": view["id"]}, "view": with_values(view, values)}


def action(block: Payload, element: Payload, chosen: Mapping[str, Any], action_ts: str) -> Payload:
    """One entry of `actions`: what was used, and what was chosen there."""
    made: Payload = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": action_ts,
    }
    for name in ("text", "value", "style", "placeholder", "initial_option", "initial_value"):
        if name in element:
            made[name] = element[name]
    return made | {name: content for name, content in chosen.items() if name != "type"}


def block_actions(
    envelope: Envelope, where: Payload, done: Payload, values: Values | None, response_url: str
) -> Payload:
    """Somebody used an element. *values* is None where it stands in the view already."""
    made = {**envelope.common("block_actions"), **where, "actions": [done]}
    if values is not None:
        made["state"] = {"values": values}
    return made | {"response_url": response_url} if response_url else made


def block_suggestion(envelope: Envelope, where: Payload, block_id: str, action_id: str, typed: str) -> Payload:
    """Somebody types into a menu whose options the app answers."""
    return {
        **envelope.common("block_suggestion"),
        **where,
        "action_id": action_id,
        "block_id": block_id,
        "value": typed,
    }


def view_submission(envelope: Envelope, view: Payload, values: Values, response_urls: list[Payload]) -> Payload:
    """Somebody filled in a dialog."""
    return {
        **envelope.common("view_submission"),
        "view": with_values(view, values),
        "response_urls": response_urls,
    }


def view_closed(envelope: Envelope, view: Payload, *, is_cleared: bool) -> Payload:
    """Somebody closed a dialog."""
    return {**envelope.common("view_closed"), "view": view, "is_cleared": is_cleared}


def shortcut(envelope: Envelope, callback_id: str, action_ts: str) -> Payload:
    """Somebody used a shortcut of the workspace."""
    return {**envelope.common("shortcut"), "callback_id": callback_id, "action_ts": action_ts}


def message_action(
    envelope: Envelope, callback_id: str, action_ts: str, place: MessagePlace, response_url: str
) -> Payload:
    """Somebody used a shortcut on a message."""
    return {
        **envelope.common("message_action"),
        "callback_id": callback_id,
        "action_ts": action_ts,
        "message_ts": place.message["ts"],
        "channel": {"id": place.channel_id, "name": place.channel_name},
        "message": {"team": TEAM_ID, **place.message},
        "response_url": response_url,
    }


def slash_command(
    envelope: Envelope, command: str, text: str, channel: tuple[str, str], response_url: str
) -> Mapping[str, str]:
    """Somebody typed a command; every field is text, since Slack sends a form. *channel* is id and name."""
    return {
        "token": envelope.token,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel[0],
        "channel_name": channel[1],
        "user_id": envelope.user_id,
        "user_name": handle_of(envelope.user_name),
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": envelope.trigger_id,
    }


def event_callback(event: Payload, token: str, event_id: str, event_time: int) -> Payload:
    """An event as the Events API wraps it."""
    channel = event.get("channel")
    return {
        "token": token,
        "team_id": TEAM_ID,
        "context_team_id": TEAM_ID,
        "context_enterprise_id": None,
        "api_app_id": APP_ID,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": event_time,
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER_ID,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event['type']}-{TEAM_ID}-{channel if isinstance(channel, str) else APP_ID}",
    }
