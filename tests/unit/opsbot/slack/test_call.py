"""Failures of Slack's Web API, told apart by what they mean for a delivery."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.notify.notifier import DeliveryError, MessageGone
from opsbot.slack.call import NotInChannel, answered


def refusal(body: object, status: int = 200, headers: dict[str, str] | None = None) -> SlackApiError:
    """The exception that the library raises for such an answer."""
    response = AsyncSlackResponse(
        client=AsyncWebClient("xoxb-test"),
        http_verb="POST",
        api_url="http://127.0.0.1/api/chat.postMessage",
        req_args={},
        data=body,  # type: ignore[arg-type]
        headers=headers or {},
        status_code=status,
    )
    # The library leaves the constructor untyped.
    make: Callable[[str, AsyncSlackResponse], SlackApiError] = SlackApiError
    return make("refused", response)


async def failing(error: Exception, *, is_post: bool = True) -> DeliveryError:
    """What `answered` makes of *error*."""

    async def call() -> AsyncSlackResponse:
        raise error

    with pytest.raises(DeliveryError) as raised:
        await answered(call(), "post incident:INC-1", is_post=is_post)
    return raised.value


@pytest.mark.parametrize(
    ("error", "is_retryable", "is_unknown"),
    [
        pytest.param(refusal({"ok": False, "error": "invalid_blocks"}), False, False, id="refused"),
        pytest.param(refusal({"ok": False, "error": "invalid_auth"}), True, False, id="curable"),
        pytest.param(refusal({"ok": False, "error": "internal_error"}), True, True, id="Slack's own error"),
        pytest.param(refusal({}, 502), True, True, id="a proxy's page"),
        pytest.param(refusal("bad gateway", 502), True, True, id="plain text"),
        pytest.param(TimeoutError(), True, True, id="timeout"),
        pytest.param(aiohttp.ServerDisconnectedError(), True, True, id="cut off"),
        pytest.param(
            aiohttp.ClientConnectorDNSError(
                aiohttp.client_reqrep.ConnectionKey("slack.example", 443, True, True, None, None, None),
                OSError("no such host"),
            ),
            True,
            False,
            id="never reached",
        ),
    ],
)
async def test_only_what_may_have_been_applied_is_unknown(
    error: Exception, is_retryable: bool, is_unknown: bool
) -> None:
    """A post may be repeated blindly only when it surely did not happen."""
    failure = await failing(error)
    assert (failure.retryable, failure.outcome_unknown) == (is_retryable, is_unknown)


async def test_a_repeatable_call_has_no_unknown_outcome() -> None:
    """An edit or a lookup is simply made again."""
    assert not (await failing(TimeoutError(), is_post=False)).outcome_unknown


async def test_a_rate_limit_says_how_long() -> None:
    """Retry-After is read whatever its spelling, and a post that was limited did not happen."""
    failure = await failing(refusal({"ok": False, "error": "ratelimited"}, 429, {"retry-after": "12"}))
    assert (failure.retry_after_s, failure.retryable, failure.outcome_unknown) == (12.0, True, False)


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "thread_not_found"])
async def test_a_deleted_message_is_told_apart(code: str) -> None:
    """It is to be posted afresh."""
    assert isinstance(await failing(refusal({"ok": False, "error": code})), MessageGone)


async def test_a_missing_membership_is_told_apart() -> None:
    """The bot can join a public channel by itself."""
    assert isinstance(await failing(refusal({"ok": False, "error": "not_in_channel"})), NotInChannel)


async def test_the_place_that_slack_names_is_kept() -> None:
    """Whoever reads the log sees which block was wrong."""
    body = {
        "ok": False,
        "error": "invalid_blocks",
        "response_metadata": {"messages": ["[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text]"]},
    }
    failure = await failing(refusal(body))
    assert str(failure) == (
        "Slack will not post incident:INC-1: invalid_blocks "
        "([ERROR] must be less than 151 characters [json-pointer:/blocks/0/text])"
    )
