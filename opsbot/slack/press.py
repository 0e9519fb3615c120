"""One press of a button or a menu, and one dialog that was filled in, as Slack tells us of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.models.views import View

from opsbot.people import Person
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.seat import Seat


@dataclass(frozen=True, slots=True)
class Press:
    """One press.

    Args:
        user_id: of who pressed, or filled the dialog in.
        action_id: of the button or menu; a dialog's callback id.
        value: the id that the button carries, or the chosen entry of a menu; a dialog's private metadata.
        source: the message's timestamp, or the view's id on the Home tab and in a dialog.
        action_ts: tells one press from another; of a dialog, the hash of what it showed.
        channel, thread_ts: where to answer; no channel on the Home tab.
        trigger_id: opens a dialog, within three seconds.
        view: the dialog with what was filled in, as Slack sends it; empty for a press.
    """

    user_id: str
    action_id: str
    value: str
    source: str
    action_ts: str
    channel: str | None
    thread_ts: str | None
    trigger_id: str = ""
    view: Mapping[str, Any] = field(default_factory=dict)


Answer = str | View | Subject
"""A sentence for the person who pressed, the dialog to open for them, or what a dialog shows the plan of first."""
Handler = Callable[[Seat, Press, Person], Awaitable[Answer]]
"""Carries a press out; raises what the command raises, as sentences for the person."""


def press_of(body: Mapping[str, Any]) -> Press:
    """The press in a `block_actions` payload."""
    action, container = body["actions"][0], body.get("container", {})
    channel = container.get("channel_id") or body.get("channel", {}).get("id")
    return Press(
        user_id=str(body["user"]["id"]),
        action_id=str(action["action_id"]),
        value=str(action.get("value") or (action.get("selected_option") or {}).get("value", "")),
        source=str(container.get("message_ts") or container.get("view_id") or ""),
        action_ts=str(action.get("action_ts", "")),
        channel=None if channel is None else str(channel),
        thread_ts=container.get("thread_ts") or body.get("message", {}).get("thread_ts"),
        trigger_id=str(body.get("trigger_id", "")),
    )


def submission_of(body: Mapping[str, Any]) -> Press:
    """The dialog in a `view_submission` payload; who opened it put where to answer into its metadata."""
    view = body["view"]
    return Press(
        user_id=str(body["user"]["id"]),
        action_id=str(view["callback_id"]),
        value=str(view.get("private_metadata", "")),
        source=str(view["id"]),
        # One dialog may be submitted several times, each time with another content: the hash tells them apart.
        action_ts=str(view.get("hash", "")),
        channel=None,
        thread_ts=None,
        trigger_id=str(body.get("trigger_id", "")),
        view=view,
    )
