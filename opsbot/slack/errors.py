"""Slack's errors and what the bot does about each: one table, one row a code.

Source: docs.slack.dev, pages "chat.postMessage", "chat.update", "conversations.history", "conversations.join",
"files.completeUploadExternal" and "Rate limits"; docs/slack.md has the same table for operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opsbot.notify.notifier import Extent


class Do(StrEnum):
    """What is done about a failed call."""

    WAIT = "wait as long as Slack asks"
    RETRY = "try again; a post is looked for first"
    AFRESH = "post it afresh"
    JOIN = "join the channel, or say that the bot must be invited"
    SHORTEN = "post it shortened"
    TEXT_ALONE = "post its text alone and log which block was wrong"
    TELL = "keep it, say once what a person must do, go on when that is done"
    GIVE_UP = "give it up after five tries and say so"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is done, and how much fails for the same reason.

    Args:
        why: what readers are told; a short sentence without a full stop.
        advice: what a person must do.
    """

    do: Do
    extent: Extent = Extent.MESSAGE
    why: str = ""
    advice: str = ""


_DOWN = "Slack could not be reached"
_FAILING = Answer(Do.RETRY, Extent.UNSURE, "Slack had an error of its own")
_SIGN_IN_ANEW = "make a new bot token in the app's settings (OAuth & Permissions) and restart core with it"
_ASK_ADMIN = "ask an administrator of the workspace to let the app post"
_OTHER_CHANNEL = "let the app post there in the channel's settings, or change `slack.channel`"


def _token(why: str, advice: str = _SIGN_IN_ANEW) -> Answer:
    return Answer(Do.TELL, Extent.WORKSPACE, why, advice)


def _channel(why: str, advice: str = _OTHER_CHANNEL) -> Answer:
    return Answer(Do.TELL, Extent.CHANNEL, why, advice)


ERRORS: Mapping[str, Answer] = {
    # It asks us to slow down.
    "ratelimited": Answer(Do.WAIT, why="Slack asked the bot to slow down"),
    "rate_limited": Answer(Do.WAIT, why="Slack asked the bot to slow down"),
    "message_limit_exceeded": Answer(Do.WAIT, Extent.WORKSPACE, "the workspace's message limit is reached", _ASK_ADMIN),
    # It failed, and the call may have taken effect.
    "fatal_error": _FAILING,
    "internal_error": _FAILING,
    "request_timeout": _FAILING,
    "service_unavailable": Answer(Do.RETRY, Extent.UNSURE, _DOWN),
    "team_added_to_org": Answer(Do.RETRY, Extent.UNSURE, "the workspace is being moved into an organisation"),
    # The message cannot be edited, or its thread is gone.
    "message_not_found": Answer(Do.AFRESH),
    "cant_update_message": Answer(Do.AFRESH),
    "edit_window_closed": Answer(Do.AFRESH),
    "thread_not_found": Answer(Do.AFRESH),
    # The channel does not take it.
    "not_in_channel": Answer(
        Do.JOIN, Extent.CHANNEL, "the bot is not in the channel", "invite it there: `/invite @opsbot`"
    ),
    "channel_not_found": _channel(
        "Slack has no such channel that the bot can see",
        "create it, invite the bot if it is private, or change `slack.channel`",
    ),
    "is_archived": _channel("the channel is archived", "unarchive it, or change `slack.channel`"),
    "is_inactive": _channel("the channel is archived or frozen", "unarchive it, or change `slack.channel`"),
    "restricted_action": _channel("the workspace does not let the bot post in the channel", _ASK_ADMIN),
    "restricted_action_read_only_channel": _channel("the channel is read-only"),
    "restricted_action_thread_only_channel": _channel("the channel takes replies only"),
    "restricted_action_non_threadable_channel": _channel("the channel takes no replies"),
    "restricted_action_thread_locked": _channel("the thread is locked", "unlock it in Slack"),
    "method_not_supported_for_channel_type": _channel("the channel is of a kind that bots cannot post in"),
    "ekm_access_denied": _channel("an administrator has suspended posting in the channel", _ASK_ADMIN),
    # The message is not as Slack wants it.
    "msg_too_long": Answer(Do.SHORTEN),
    "msg_blocks_too_long": Answer(Do.SHORTEN),
    "invalid_blocks": Answer(Do.TEXT_ALONE),
    "invalid_blocks_format": Answer(Do.TEXT_ALONE),
    "invalid_attachments": Answer(Do.TEXT_ALONE),
    "no_text": Answer(Do.GIVE_UP),
    "invalid_arguments": Answer(Do.GIVE_UP),
    "metadata_too_large": Answer(Do.GIVE_UP),
    # The app is not let in.
    "invalid_auth": _token("Slack refused the bot's token"),
    "not_authed": _token("Slack got no token from the bot"),
    "token_expired": _token("the bot's token has expired"),
    "token_revoked": _token("the bot's token was revoked"),
    "account_inactive": _token("the bot's account or workspace was deactivated", _ASK_ADMIN),
    "not_allowed_token_type": _token(
        "Slack refused the kind of token", "the bot token begins with xoxb-, the app token with xapp-"
    ),
    "missing_scope": _token(
        "the app lacks a scope", "add it in the app's settings, install the app again; docs/slack.md lists the scopes"
    ),
    "no_permission": _token("the app lacks a permission", "install the app again with the scopes of docs/slack.md"),
    "access_denied": _token("the workspace denies the app access", _ASK_ADMIN),
    "app_missing_action_url": _token("the app has no interactivity", "turn on interactivity in the app's settings"),
    "team_access_not_granted": _token("the app is not granted to this workspace", _ASK_ADMIN),
    "org_login_required": _token("the workspace is being moved into an organisation", _ASK_ADMIN),
    "two_factor_setup_required": _token("two-factor authentication must be set up", _ASK_ADMIN),
    "enterprise_is_restricted": _token("the organisation does not let the app in", _ASK_ADMIN),
    "team_not_found": _token("Slack does not know the workspace of the token"),
}
UNKNOWN_CODE = Answer(Do.GIVE_UP)
"""A refusal that Slack may have added since; waiting cures none that are known to be like it."""
FAILED_STATUS = Answer(Do.RETRY, Extent.UNSURE, _DOWN)
"""Of an answer without Slack's form, such as a proxy's page with status 502."""
UNREACHABLE = Answer(Do.RETRY, Extent.WORKSPACE, _DOWN)
"""No connection could be made: the call surely did nothing, and no other will."""
UNANSWERED = Answer(Do.RETRY, Extent.UNSURE, _DOWN)
"""The connection broke or nothing came in time."""


def answer_to(code: str, status: int) -> Answer:
    """What is done about Slack's error *code*, in an answer with the HTTP *status* (0 for none)."""
    if status == 429:
        return ERRORS["ratelimited"]
    if code in ERRORS:
        return ERRORS[code]
    return FAILED_STATUS if status >= 500 or status == 0 else UNKNOWN_CODE
