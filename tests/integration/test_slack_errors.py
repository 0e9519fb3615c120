"""Every row of the table of Slack's errors, over HTTP: what becomes of a page, and what people are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.notify.outbox import OutboxState
from opsbot.slack.errors import ERRORS, Do
from opsbot.workspace.faults import Fault
from tests.support.slack_night import Night, running_night

pytestmark = pytest.mark.integration

PAGE = "incident:INC-1"
EXPECTED = {
    Do.WAIT: "ratelimited rate_limited message_limit_exceeded",
    Do.RETRY: "fatal_error internal_error request_timeout service_unavailable team_added_to_org",
    Do.AFRESH: "message_not_found cant_update_message edit_window_closed thread_not_found",
    Do.JOIN: "not_in_channel",
    Do.SHORTEN: "msg_too_long msg_blocks_too_long",
    Do.TEXT_ALONE: "invalid_blocks invalid_blocks_format invalid_attachments",
    Do.GIVE_UP: "no_text invalid_arguments metadata_too_large",
    Do.TELL: (
        "channel_not_found is_archived is_inactive restricted_action restricted_action_read_only_channel "
        "restricted_action_thread_only_channel restricted_action_non_threadable_channel "
        "restricted_action_thread_locked method_not_supported_for_channel_type ekm_access_denied invalid_auth "
        "not_authed token_expired token_revoked account_inactive not_allowed_token_type missing_scope no_permission "
        "access_denied app_missing_action_url team_access_not_granted org_login_required two_factor_setup_required "
        "enterprise_is_restricted team_not_found"
    ),
}


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """A night with Slack there."""
    async with running_night(tmp_path) as running:
        yield running


def test_every_row_has_its_test() -> None:
    """The table and the expectations name the same codes."""
    assert {code: answer.do for code, answer in ERRORS.items()} == {
        code: do for do, codes in EXPECTED.items() for code in codes.split()
    }


def fail(night: Night, code: str, count: int, method: str = "chat.postMessage") -> None:
    """The next calls fail with *code*."""
    night.workspace.faults.add(method, Fault(error=code), count)


async def test_it_waits_or_tries_again(night: Night) -> None:
    """Three failures of each kind, then the page stands once."""
    async with night.role():
        for number, code in enumerate(EXPECTED[Do.WAIT].split() + EXPECTED[Do.RETRY].split(), 1):
            fail(night, code, 3)
            night.alert(code, "critical")
            await night.until(night.is_all_said)
            assert night.said().count(f"incident:INC-{number}") == 1, code


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_failing_status_is_sat_out(night: Night, status: int) -> None:
    """Also one without Slack's form."""
    night.workspace.faults.add("chat.postMessage", Fault(status=status, retry_after_s=7), 2)
    night.alert("KV", "critical")
    async with night.role():
        await night.until(night.is_all_said)
    assert night.said().count(PAGE) == 1


async def test_it_is_posted_afresh(night: Night) -> None:
    """An edit that is no longer possible becomes a new message, which is edited from then on."""
    async with night.role():
        for number, code in enumerate(EXPECTED[Do.AFRESH].split(), 1):
            page = f"incident:INC-{number}"
            night.alert(code, "critical")
            await night.until(night.is_all_said)
            first = night.item(page).ts
            fail(night, code, 1, "chat.update")
            night.alert(code, "critical", is_over=True)
            await night.until(night.is_all_said)
            assert night.said().count(page) == 2, code
            assert night.item(page).ts != first, code


async def test_it_joins_a_channel(night: Night) -> None:
    """At once, without a failed attempt."""
    fail(night, "not_in_channel", 1)
    night.alert("KV", "critical")
    async with night.role():
        await night.until(lambda: PAGE in night.said())
    assert night.item(PAGE).attempts == 0


async def test_it_says_that_it_must_be_invited(night: Night) -> None:
    """Joining does not help in a private channel."""
    fail(night, "not_in_channel", 2)
    night.alert("KV", "critical")
    async with night.role() as role:
        await night.until(lambda: role.lag().outage is not None)
        assert "the bot is not in the channel (invite it there: `/invite @opsbot`)" in role.lag().sentence()
        await night.until(night.is_all_said)
    assert night.said().count(PAGE) == 1


@pytest.mark.parametrize("code", EXPECTED[Do.SHORTEN].split() + EXPECTED[Do.TEXT_ALONE].split())
async def test_it_is_said_with_less(night: Night, code: str, caplog: pytest.LogCaptureFixture) -> None:
    """The text alone, with a word about what is missing; the next edit is whole again."""
    fail(night, code, 1)
    night.alert("KV", "critical")
    async with night.role():
        await night.until(night.is_all_said)
        page = night.messages()[0]
        assert "KV on eu-1" in page["text"]
        assert "Slack did not take the buttons and details of this message" in page["text"]
        assert not page.get("blocks")
        night.alert("KV", "critical", is_over=True)
        await night.until(night.is_all_said)
    assert page["blocks"]
    assert code in caplog.text


async def test_a_reply_is_shortened(night: Night) -> None:
    """It has no blocks to leave away."""
    night.alert("KV", "critical")
    async with night.role():
        for code in EXPECTED[Do.SHORTEN].split():
            await night.until(night.is_all_said)
            fail(night, code, 1)
            night.entry("INC-1", "word " * 380)
            await night.until(night.is_all_said)
            said = night.messages()[-1]["text"]
            assert (len(said), said[-1]) == (1000, "…"), code


async def test_a_person_is_told_once_and_it_goes_on(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost: one line in the log, the health page says what to do, and it goes out when that is done."""
    caplog.set_level(logging.INFO, "opsbot.notify")
    async with night.role() as role:
        for number, code in enumerate(EXPECTED[Do.TELL].split(), 1):
            page = f"incident:INC-{number}"
            caplog.clear()
            fail(night, code, 3)
            night.alert(code, "critical")
            await night.until(lambda: role.lag().outage is not None)
            outage = role.lag().outage
            assert outage is not None
            assert code in outage.why
            assert outage.advice, code
            assert outage.advice in role.lag().sentence()
            assert night.item(page).state is not OutboxState.FAILED, code
            await night.until(night.is_all_said)
            assert role.lag().sentence() == "nothing waits"
            assert night.said().count(page) == 1, code
            assert len([line for line in caplog.messages if "What must be said waits" in line]) == 1, code


@pytest.mark.parametrize("code", [*EXPECTED[Do.GIVE_UP].split(), "an_error_of_next_year"])
async def test_it_is_given_up_and_that_is_said(night: Night, code: str, caplog: pytest.LogCaptureFixture) -> None:
    """After five tries; the health page counts it, and the incident's next change tries anew."""
    fail(night, code, 5)
    night.alert("KV", "critical")
    async with night.role() as role:
        await night.until(lambda: night.item(PAGE).state is OutboxState.FAILED)
        assert "1 was given up, core's log says why" in role.lag().sentence()
        assert f"is given up after 5 attempts: Slack will not post {PAGE}: {code}" in caplog.text
        night.alert("KV", "critical", is_over=True)
        await night.until(lambda: PAGE in night.said())
