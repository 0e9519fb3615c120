"""One call of Slack's Web API, with its failures told apart by what they mean for a delivery.

The difference that matters is between a call that surely did nothing and one that may have been applied although no
answer came: only the first may be repeated blindly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.notify.notifier import DeliveryError, MessageGone

DEFAULT_RETRY_AFTER_S = 5.0
GONE = frozenset({"message_not_found", "cant_update_message", "thread_not_found"})
"""The message or its thread was deleted, or is not ours to edit; docs.slack.dev, page "chat.update"."""
UNKNOWN = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Slack's own words: "it's possible some aspect of the operation succeeded"; page "chat.postMessage"."""
CURABLE = frozenset(
    {
        "account_inactive",
        "channel_not_found",
        "invalid_auth",
        "is_archived",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "restricted_action",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
"""An administrator can cure these while we wait, so a page outlives them."""


class NotInChannel(DeliveryError):
    """The bot is no member of the channel."""


async def answered(call: Awaitable[AsyncSlackResponse], what: str, *, is_post: bool = False) -> AsyncSlackResponse:
    """The answer of *call*, which does *what*; *is_post* if repeating it would be seen twice.

    Raises: MessageGone; NotInChannel; DeliveryError, with `outcome_unknown` only for a post.
    """
    try:
        return await call
    except SlackApiError as error:
        raise _refusal(error, what, is_post=is_post) from error
    except aiohttp.ClientConnectorError as error:
        raise DeliveryError(f"Slack cannot be reached to {what}: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DeliveryError(
            f"Slack did not answer to {what} ({type(error).__name__})", outcome_unknown=is_post
        ) from error


def rows(answer: AsyncSlackResponse, name: str) -> Sequence[Mapping[str, object]]:
    """The list called *name* in an answer; empty if it has none."""
    found: Sequence[Mapping[str, object]] = answer.get(name) or ()
    return found


def next_cursor(answer: AsyncSlackResponse) -> str | None:
    """What to pass as `cursor` for the next page; None after the last."""
    metadata: Mapping[str, object] = answer.get("response_metadata") or {}
    return str(metadata.get("next_cursor") or "") or None


def error_code(error: SlackApiError) -> str:
    """Slack's name of the error, such as `invalid_auth`; `http_502` where the body has none."""
    response = error.response
    data = getattr(response, "data", response)
    if isinstance(data, dict) and isinstance(data.get("error"), str):
        return str(data["error"])
    return f"http_{_status(error)}"


def _status(error: SlackApiError) -> int:
    response = error.response
    status = getattr(response, "status_code", getattr(response, "status", 0))
    return status if isinstance(status, int) else 0


def _refusal(error: SlackApiError, what: str, *, is_post: bool) -> DeliveryError:
    code, status = error_code(error), _status(error)
    if status == 429 or code == "ratelimited":
        return DeliveryError(f"Slack asks to wait before we {what}", retry_after_s=_retry_after(error))
    if code in GONE:
        return MessageGone(f"Slack will not {what}: {code}", retryable=False)
    if status >= 500 or code in UNKNOWN or status == 0:
        return DeliveryError(f"Slack failed to {what}: {code}", outcome_unknown=is_post)
    if code == "not_in_channel":
        return NotInChannel(f"Slack will not {what}: the bot is not in the channel; invite it")
    if code in CURABLE:
        return DeliveryError(f"Slack will not {what}: {code}; check the bot's token, scopes and channel")
    return DeliveryError(f"Slack will not {what}: {_explained(error, code)}", retryable=False)


def retry_after(error: SlackApiError) -> float | None:
    """How long Slack asks to wait, in seconds; None if it asks for nothing."""
    is_limit = _status(error) == 429 or error_code(error) == "ratelimited"
    return _retry_after(error) if is_limit else None


def _retry_after(error: SlackApiError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    for name, value in headers.items():
        if name.lower() == "retry-after":
            try:
                return float(value)
            except ValueError:
                return DEFAULT_RETRY_AFTER_S
    return DEFAULT_RETRY_AFTER_S


def _explained(error: SlackApiError, code: str) -> str:
    """The code with the places Slack names, e.g. of invalid blocks; these hold no text of ours."""
    data = getattr(error.response, "data", None)
    messages = data.get("response_metadata", {}).get("messages", []) if isinstance(data, dict) else []
    return f"{code} ({'; '.join(str(message) for message in messages[:3])})" if messages else code
