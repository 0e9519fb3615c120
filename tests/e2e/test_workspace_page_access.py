"""What people without eyes, colours or a mouse need: axe finds nothing to object to, whatever the page shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.workspace_bot import Payload, actions, button, field, modal, mrkdwn, option, plain, seen

pytestmark = pytest.mark.e2e

OPTIONS = [option("One"), option("Two")]
# On a phone the thread and the list of channels are screens of their own, without the main part beside them.
OF_WHOLE_PAGES = {"landmark-one-main": {"enabled": False}, "page-has-heading-one": {"enabled": False}}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def objections(page: Page) -> list[str]:
    """What axe objects to, with the first element of each."""
    is_phone = await page.evaluate("innerWidth < 600")
    found = await Axe().run(page, options={**RULES, "rules": OF_WHOLE_PAGES if is_phone else {}})
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found.response["violations"]]


def card() -> list[Payload]:
    """A message with most of what an incident has."""
    rows = [[{"type": "raw_text", "text": text} for text in row] for row in (("cluster", "KV"), ("eu-1", "97 %"))]
    return [
        {"type": "header", "text": plain("🔴 KV cache pressure on eu-1")},
        {
            "type": "section",
            "text": mrkdwn("*KV* `97 %` <https://example.org|graph>"),
            "fields": [mrkdwn("*Held by*\nx")],
        },
        {"type": "table", "rows": rows},
        actions(
            button("Open", "open", style="primary"),
            button("Object", "object", style="danger"),
            {"type": "static_select", "action_id": "for", "placeholder": plain("Silence for"), "options": OPTIONS},
            {"type": "overflow", "action_id": "more", "options": OPTIONS},
        ),
        {"type": "context", "elements": [mrkdwn("INC-1 · <https://example.org|dashboard> · <@U0ONCALL>")]},
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_nothing_stands_in_the_way(browser: Browser, scheme: Literal["light", "dark"], width: int) -> None:
    """Channel, thread, modal, open list and Home tab, in both lights, at a desk and on a phone."""
    view = modal(
        field("reason", {"type": "plain_text_input", "min_length": 3}, hint=plain("Everybody reads it.")),
        field("cluster", {"type": "static_select", "options": OPTIONS}),
        field("which", {"type": "checkboxes", "options": OPTIONS}),
        field("day", {"type": "datepicker"}),
    )
    async with seen(browser, scheme=scheme, width=width) as (bot, page, _):
        bot.modal = view
        bot.home = [block for block in card() if block["type"] != "table"]
        ts = await bot.post("KV cache pressure", blocks=card())
        await bot.post("acknowledged by <@U0ONCALL>", thread_ts=ts)
        await bot.client.reactions_add(channel="C0INCIDENTS", timestamp=ts, name="eyes")
        await bot.client.chat_postEphemeral(channel="C0INCIDENTS", user="U0ONCALL", text="only for you")
        await expect(page.locator("#channel .ephemeral")).to_be_visible()
        assert await objections(page) == []
        await page.locator("#channel .replies").click()
        await expect(page.locator("#replies article")).to_have_count(2)
        assert await objections(page) == []
        await page.keyboard.press("Escape")
        await page.locator("#channel").get_by_role("button", name="Open").click()
        await page.locator("#dialog").get_by_role("button", name="Send").click()
        await expect(page.locator("#dialog .error").first).to_be_visible()
        assert await objections(page) == []
        await page.locator("#dialog .select-field").click()
        await expect(page.locator(".select-list [role=option]").first).to_be_visible()
        assert await objections(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(page.locator("#dialog")).to_be_hidden()
        if width < 600:
            await page.get_by_role("button", name="All channels").click()
            assert await objections(page) == []
        await page.locator("#home-tab").click()
        await expect(page.locator("#home .card, #home .section").first).to_be_visible()
        assert await objections(page) == []
