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


@dataclass(frozen=True, slots=True)
class ToRead:
    """What came of something, as a dialog to read.

    Args:
        view: the dialog.
        text: the same in mrkdwn, for where Slack does not open it: what was done must not be done again.
    """

    view: View
    text: str


Answer = str | View | Subject | ToRead
"""A sentence for the person who pressed, the dialog to open for them, or what a dialog shows the plan of first."""
Handler = Callable[[Seat, Press, Person], Awaitable[Answer]]
"""Carries a press out; raises what the command raises, as sentences for the person."""


class Unreadable(ValueError):
    """A payload that is not in Slack's form."""


def press_of(body: Mapping[str, Any]) -> Press:
    """The press in a `block_actions` payload; raises Unreadable."""
    try:
        return _press_of(body)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Unreadable(f"a press without {error}") from error


def submission_of(body: Mapping[str, Any]) -> Press:
    """The dialog in a `view_submission` payload; raises Unreadable.

    Who opened it put where to answer into its metadata.
    """
    try:
        return _submission_of(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"a dialog without {error}") from error


def _press_of(body: Mapping[str, Any]) -> Press:
    action, container = body["actions"][0], body.get("container") or {}
    channel = container.get("channel_id") or (body.get("channel") or {}).get("id")
    thread_ts = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts")
    return Press(
        user_id=str(body["user"]["id"]),
        action_id=str(action["action_id"]),
        value=str(action.get("value") or (action.get("selected_option") or {}).get("value", "")),
        source=str(container.get("message_ts") or container.get("view_id") or ""),
        action_ts=str(action.get("action_ts", "")),
        channel=None if channel is None else str(channel),
        thread_ts=None if thread_ts is None else str(thread_ts),
        trigger_id=str(body.get("trigger_id", "")),
    )


def _submission_of(body: Mapping[str, Any]) -> Press:
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
