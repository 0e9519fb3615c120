"""Modals on the page: fields, errors, a stack with a way back, updates that keep what was typed, and leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.browser import chromium
from tests.support.waiting import until
from tests.support.workspace_bot import (
    Payload,
    WorkspaceBot,
    actions,
    button,
    field,
    modal,
    mrkdwn,
    option,
    plain,
    seen,
)

pytestmark = pytest.mark.e2e

OPEN = actions(button("Open", "open"))
OPTIONS = [option("One"), option("Two")]
REASON = field(
    "reason", {"type": "plain_text_input", "min_length": 3, "max_length": 80}, hint=plain("Everybody reads it.")
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def opened(bot: WorkspaceBot, page: Page, view: Payload) -> Any:
    """The modal that a press on Open brought."""
    bot.modal = view
    await bot.post("a modal", blocks=[OPEN])
    await page.get_by_role("button", name="Open").click()
    dialog = page.locator("#dialog")
    await expect(dialog).to_be_visible()
    return dialog


async def test_every_field_is_sent_as_slack_sends_it(browser: Browser) -> None:
    """state.values holds each field by block and action, with Slack's names; what was left out is null or empty."""
    view = modal(
        REASON,
        field("more", {"type": "plain_text_input", "multiline": True}, optional=True),
        field("count", {"type": "number_input", "is_decimal_allowed": False, "min_value": "1"}),
        field("mail", {"type": "email_text_input"}),
        field("link", {"type": "url_text_input"}),
        field("cluster", {"type": "static_select", "options": OPTIONS}),
        field("several", {"type": "multi_static_select", "options": OPTIONS}, optional=True),
        field("person", {"type": "users_select", "initial_user": "U0COMMANDER"}),
        field("day", {"type": "datepicker", "initial_date": "2026-11-28"}),
        field("which", {"type": "checkboxes", "options": OPTIONS}),
        field("one", {"type": "radio_buttons", "options": OPTIONS, "initial_option": OPTIONS[1]}),
    )
    async with seen(browser) as (bot, page, _):
        dialog = await opened(bot, page, view)
        await expect(dialog.get_by_label("Reason")).to_be_focused()
        await expect(dialog.get_by_text("Everybody reads it.")).to_be_visible()
        await dialog.get_by_label("Reason").fill("queue")
        await expect(dialog.locator(".counter")).to_have_text("75")
        await dialog.get_by_label("Count").fill("3")
        await dialog.get_by_label("Mail").fill("a@example.org")
        await dialog.get_by_label("Link").fill("https://example.org")
        await dialog.locator("select[data-for=cluster-a]").select_option("two")
        await dialog.get_by_role("checkbox", name="One").check()
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog).to_be_hidden()
        values = bot.submissions[0]["view"]["state"]["values"]
    assert values == {
        "reason": {"reason-a": {"type": "plain_text_input", "value": "queue"}},
        "more": {"more-a": {"type": "plain_text_input", "value": None}},
        "count": {"count-a": {"type": "number_input", "value": "3"}},
        "mail": {"mail-a": {"type": "email_text_input", "value": "a@example.org"}},
        "link": {"link-a": {"type": "url_text_input", "value": "https://example.org"}},
        "cluster": {"cluster-a": {"type": "static_select", "selected_option": option("Two")}},
        "several": {"several-a": {"type": "multi_static_select", "selected_options": []}},
        "person": {"person-a": {"type": "users_select", "selected_user": "U0COMMANDER"}},
        "day": {"day-a": {"type": "datepicker", "selected_date": "2026-11-28"}},
        "which": {"which-a": {"type": "checkboxes", "selected_options": [option("One")]}},
        "one": {"one-a": {"type": "radio_buttons", "selected_option": option("Two")}},
    }


async def test_what_is_wrong_stands_under_its_field(browser: Browser) -> None:
    """The page asks for what is missing before anything is sent; the bot's errors stand under their fields too."""
    async with seen(browser) as (bot, page, _):
        bot.submit_answers = [{"response_action": "errors", "errors": {"reason": "Say <b>why</b>."}}]
        dialog = await opened(bot, page, modal(REASON, field("mail", {"type": "email_text_input"}, optional=True)))
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog.locator(".error")).to_have_text("Please complete this required field.")
        await expect(dialog.get_by_label("Reason")).to_be_focused()
        await dialog.get_by_label("Reason").fill("no")
        await dialog.get_by_label("Mail").fill("nobody")
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog.locator(".error")).to_have_text(
            ["Must be at least 3 characters.", "Please enter a valid email address."]
        )
        assert bot.submissions == []
        await dialog.get_by_label("Reason").fill("nothing")
        await dialog.get_by_label("Mail").fill("")
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog.locator(".error")).to_have_text("Say <b>why</b>.")
        await expect(dialog.get_by_label("Reason")).to_have_value("nothing")
        await expect(dialog.get_by_label("Reason")).to_have_attribute("aria-invalid", "true")
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog).to_be_hidden()


async def test_a_stack_has_a_way_back(browser: Browser) -> None:
    """A pushed view lies on top; the arrow leads back to what was typed below; the cross clears the whole stack."""
    first = modal(REASON, actions(button("Details", "push")), notify_on_close=True)
    second = modal(
        {"type": "section", "text": mrkdwn("below")}, title="Details", callback_id="second", notify_on_close=True
    )
    async with seen(browser) as (bot, page, _):
        bot.pushed = second
        dialog = await opened(bot, page, first)
        await dialog.get_by_label("Reason").fill("queue")
        await dialog.get_by_role("button", name="Details").click()
        await expect(dialog.locator("h2")).to_have_text("Details")
        await dialog.get_by_role("button", name="Back").click()
        await expect(dialog.locator("h2")).to_have_text("Approve")
        await expect(dialog.get_by_label("Reason")).to_have_value("queue")
        await until(lambda: len(bot.closed) == 1)
        assert (bot.closed[0]["view"]["callback_id"], bot.closed[0]["is_cleared"]) == ("second", False)
        await dialog.get_by_role("button", name="Details").click()
        await expect(dialog.locator("h2")).to_have_text("Details")
        await dialog.get_by_role("button", name="Close").click()
        await expect(dialog).to_be_hidden()
        await until(lambda: any(body["is_cleared"] for body in bot.closed))


async def test_an_update_keeps_what_was_typed(browser: Browser) -> None:
    """Where block and action keep their names, so does the text in them; the rest is drawn anew in place."""
    first = modal(REASON, actions(button("More", "update")))
    async with seen(browser) as (bot, page, _):
        bot.updated = modal(REASON, field("extra", {"type": "plain_text_input"}), actions(button("More", "update")))
        dialog = await opened(bot, page, first)
        await dialog.get_by_label("Reason").fill("queue")
        await dialog.get_by_role("button", name="More").click()
        await expect(dialog.get_by_label("Extra")).to_be_visible()
        await expect(dialog.get_by_label("Reason")).to_have_value("queue")


async def test_a_submission_may_show_another_view(browser: Browser) -> None:
    """The bot's answer `update` shows what follows in the same place."""
    async with seen(browser) as (bot, page, _):
        done = modal({"type": "section", "text": mrkdwn("It is *done*.")}, title="Done")
        bot.submit_answers = [
            {"response_action": "update", "view": {name: done[name] for name in done if name != "submit"}}
        ]
        dialog = await opened(bot, page, modal(REASON))
        await dialog.get_by_label("Reason").fill("queue")
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog.locator("h2")).to_have_text("Done")
        await expect(dialog.locator("footer [type=submit]")).to_have_count(0)


async def test_escape_leaves_and_the_focus_returns(browser: Browser) -> None:
    """Focus cannot leave the modal; Escape closes it, tells the bot, and gives the focus back to where it was."""
    async with seen(browser) as (bot, page, _):
        dialog = await opened(bot, page, modal(REASON, notify_on_close=True))
        for _ in range(8):
            await page.keyboard.press("Tab")
            assert await page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('#dialog')"
            )
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="Open")).to_be_focused()
        await until(lambda: len(bot.closed) == 1)
        assert bot.closed[0]["user"]["id"] == "U0ONCALL"


async def test_a_modal_is_for_one_person(browser: Browser) -> None:
    """Whoever did not open it does not see it."""
    async with seen(browser) as (bot, page, _):
        dialog = await opened(bot, page, modal(REASON))
        await page.evaluate("document.querySelector('#dialog').close()")
        await page.locator("#member").select_option("U0COMMANDER")
        await expect(page.locator("#my-face")).to_have_text("ic", ignore_case=True)
        await expect(dialog).to_be_hidden()


async def test_a_submission_under_way_is_seen(browser: Browser) -> None:
    """Until the bot answers, the button is off and the fields wait, so that nothing is sent twice."""
    async with seen(browser) as (bot, page, _):
        dialog = await opened(bot, page, modal(REASON))
        await dialog.get_by_label("Reason").fill("queue")
        go_on = asyncio.Event()

        async def wait(route: Route) -> None:
            await go_on.wait()
            await route.continue_()

        await page.route("**/ui/submit", wait)
        await dialog.get_by_label("Reason").press("Enter")
        await expect(dialog.locator("form[aria-busy]")).to_have_count(1)
        await expect(dialog.get_by_role("button", name="Send")).to_be_disabled()
        await dialog.get_by_label("Reason").press("Enter")
        go_on.set()
        await expect(dialog).to_be_hidden()
        assert len(bot.submissions) == 1


async def test_a_bot_that_says_nothing_is_told(browser: Browser) -> None:
    """When nobody answers a submission the modal stays open, says so, and nothing typed is lost."""
    async with seen(browser, ignoring="Failed to load resource") as (bot, page, _):
        dialog = await opened(bot, page, modal(REASON))
        await dialog.get_by_label("Reason").fill("queue")
        await page.route("**/ui/submit", lambda route: route.abort())
        await dialog.get_by_role("button", name="Send").click()
        await expect(dialog.locator(".problem")).to_contain_text("does not answer")
        await expect(dialog.get_by_label("Reason")).to_have_value("queue")
