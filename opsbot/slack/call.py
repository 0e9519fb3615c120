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
from opsbot.slack.errors import UNANSWERED, UNREACHABLE, Answer, Do, answer_to

DEFAULT_RETRY_AFTER_S = 5.0


class NotInChannel(DeliveryError):
    """The bot is no member of the channel."""


class TooLong(DeliveryError):
    """The message is longer than Slack takes."""


class BadBlocks(DeliveryError):
    """Slack does not take the message's blocks; its text alone may do."""


async def answered(call: Awaitable[AsyncSlackResponse], what: str, *, is_post: bool = False) -> AsyncSlackResponse:
    """The answer of *call*, which does *what*; *is_post* if repeating it would be seen twice.

    Raises: MessageGone; NotInChannel; TooLong; BadBlocks; DeliveryError, with `outcome_unknown` only for a post.
    """
    try:
        return await call
    except SlackApiError as error:
        raise _refusal(error, what, is_post=is_post) from error
    except aiohttp.ClientConnectorError as error:
        raise _error(UNREACHABLE, f"Slack cannot be reached to {what}: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        message = f"Slack did not answer to {what} ({type(error).__name__})"
        raise _error(UNANSWERED, message, outcome_unknown=is_post) from error


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


_KINDS: Mapping[Do, type[DeliveryError]] = {
    Do.AFRESH: MessageGone,
    Do.JOIN: NotInChannel,
    Do.SHORTEN: TooLong,
    Do.TEXT_ALONE: BadBlocks,
}
_LASTING = (Do.AFRESH, Do.SHORTEN, Do.TEXT_ALONE, Do.GIVE_UP)
"""Waiting does not cure these."""


def _refusal(error: SlackApiError, what: str, *, is_post: bool) -> DeliveryError:
    code, status = error_code(error), _status(error)
    answer = answer_to(code, status)
    match answer.do:
        case Do.WAIT:
            message = f"Slack asks to wait before we {what}"
            return _error(answer, message, code, retry_after_s=_retry_after(error))
        case Do.RETRY:
            return _error(answer, f"Slack failed to {what}: {code}", code, outcome_unknown=is_post)
        case Do.TELL | Do.JOIN:
            return _error(answer, f"Slack will not {what}: {code}; {_advice(error, answer)}", code)
        case _:
            return _error(answer, f"Slack will not {what}: {_explained(error, code)}", code)


def _error(
    answer: Answer,
    message: str,
    code: str = "",
    *,
    retry_after_s: float | None = None,
    outcome_unknown: bool = False,
) -> DeliveryError:
    return _KINDS.get(answer.do, DeliveryError)(
        message,
        retryable=answer.do not in _LASTING,
        retry_after_s=retry_after_s,
        outcome_unknown=outcome_unknown,
        extent=answer.extent,
        code=code,
        why=f"{answer.why} ({code})" if code and answer.do is Do.TELL else answer.why,
        advice=answer.advice,
    )


def _advice(error: SlackApiError, answer: Answer) -> str:
    """What a person must do, with the scope that Slack names."""
    data = getattr(error.response, "data", None)
    needed = data.get("needed") if isinstance(data, dict) else None
    return f"{answer.advice} (needed: {needed})" if isinstance(needed, str) and needed else answer.advice


def refusal_pause_s(error: SlackApiError) -> float | None:
    """The pause that Slack asks for, in seconds; None if it asks for none."""
    return _retry_after(error) if answer_to(error_code(error), _status(error)).do is Do.WAIT else None


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
    metadata = data.get("response_metadata") if isinstance(data, dict) else None
    messages = (metadata.get("messages") or []) if isinstance(metadata, dict) else []
    return f"{code} ({'; '.join(str(message) for message in messages[:3])})" if messages else code
