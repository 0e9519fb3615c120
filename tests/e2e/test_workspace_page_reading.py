"""Reading on the page: unread marks, threads, reactions, shortcuts, private answers, old messages, screen readers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import chromium, page_of
from tests.support.waiting import until
from tests.support.workspace_bot import mrkdwn, seen

pytestmark = pytest.mark.e2e


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def test_unread_marks_and_the_line_above_what_is_new(browser: Browser) -> None:
    """A channel not in sight counts its messages, redly when they call the reader; reading it takes the mark away."""
    async with seen(browser) as (bot, page, workspace):
        await bot.post("old", "ops")
        ops = page.locator("[data-channel=ops]")
        await ops.click()
        await expect(ops.locator(".count")).to_have_count(0)
        await page.locator("[data-channel=incidents]").click()
        await bot.post("first", "ops")
        await expect(ops.locator(".count")).to_have_text("1")
        await bot.post("<@U0ONCALL> look", "ops")
        await expect(ops.locator(".count.calls")).to_have_text("2")
        await expect(page).to_have_title("(2) incidents · Local workspace")
        await ops.click()
        await expect(page.locator(".new-line + article")).to_contain_text("first")
        await expect(ops.locator(".count")).to_have_count(0)
        await expect(page.locator("article.calls")).to_contain_text("@on-call engineer look")
        async with page_of(browser, workspace.page_url) as again:
            await expect(again.locator("[data-channel=incidents]")).to_be_visible()
            await expect(again.locator("[data-channel=ops] .count")).to_have_count(0)


async def test_private_channels_are_for_their_members(browser: Browser) -> None:
    """A private channel has a lock and is shown to its members only."""
    async with seen(browser) as (_, page, _workspace):
        private = page.locator("[data-channel=trust-and-safety]")
        await expect(private).to_have_count(0)
        await page.locator("#member").select_option("U0SAFETY")
        await expect(private.locator(".icon-lock")).to_be_visible()
        await private.click()
        await page.locator("#member").select_option("U0ONCALL")
        await expect(page.locator("#channel-name")).to_have_text("# incidents")


async def test_a_thread_in_the_pane_beside(browser: Browser) -> None:
    """The line below a message says how many replied and when; the pane shows them, and a reply is sent into it."""
    async with seen(browser) as (bot, page, workspace):
        ts = await bot.post("incident")
        await bot.post("one", thread_ts=ts)
        await bot.post("mitigated", thread_ts=ts, reply_broadcast=True)
        line = page.locator("#channel .replies")
        await expect(line).to_contain_text("2 replies")
        await expect(line).to_contain_text("Last reply today at")
        broadcast = page.locator("#channel article").nth(1)
        await expect(broadcast).to_contain_text("replied to a thread: incident")
        await line.click()
        await expect(page.locator("#replies article")).to_have_count(3)
        await expect(page.locator("#replies")).to_contain_text("Also sent to the channel")
        await page.keyboard.type("I look at it")
        await page.keyboard.press("Enter")
        await expect(page.locator("#replies article")).to_have_count(4)
        await expect(line).to_contain_text("3 replies")
        assert workspace.state.channel("incidents").messages[-1]["thread_ts"] == ts
        await page.keyboard.press("Escape")
        await expect(page.locator("#thread")).to_be_hidden()


async def test_grouping_days_and_edits(browser: Browser) -> None:
    """What one person says in a row stands under one name; days are named; an edit is marked; times have their date."""
    async with seen(browser) as (bot, page, workspace):
        channel = workspace.state.channel("incidents")
        workspace.state.post(channel, {"text": "one"}, user_id="U0COMMANDER")
        workspace.state.post(channel, {"text": "two"}, user_id="U0COMMANDER")
        ts = await bot.post("three")
        await bot.client.chat_update(channel="C0INCIDENTS", ts=ts, text="three!")
        await expect(page.locator("#channel article.follows")).to_contain_text(["two"])
        await expect(page.locator("#channel .day")).to_have_text("Today")
        last = page.locator(f"[data-ts='{ts}']")
        await expect(last).to_contain_text("three! (edited)")
        title = await last.locator("time").get_attribute("title")
        assert title is not None
        assert str(2000) <= title.rsplit(" at ", 1)[0].split()[-1]


async def test_reactions(browser: Browser) -> None:
    """A reaction is added from the bar, the picker or the row, counted for all, and taken away by pressing it again."""
    async with seen(browser) as (bot, page, _):
        ts = await bot.post("incident")
        message = page.locator(f"#channel [data-ts='{ts}']")
        await message.hover()
        await message.get_by_role("button", name="Add to the timeline").click()
        pin = message.locator("[data-reaction=pushpin]")
        await expect(pin).to_have_attribute("aria-pressed", "true")
        await until(lambda: any(event["type"] == "reaction_added" for event in bot.events))
        await page.locator("#member").select_option("U0COMMANDER")
        await expect(pin).to_have_attribute("aria-pressed", "false")
        await pin.click()
        await expect(pin).to_contain_text("2")
        await pin.click()
        await expect(pin).to_contain_text("1")
        await message.get_by_role("button", name="Add a reaction").first.click()
        await page.locator(".emoji-picker .search").fill("eyes")
        await page.keyboard.press("Enter")
        await expect(message.locator("[data-reaction=eyes]")).to_have_attribute("title", "you reacted with :eyes:")


async def test_shortcuts_of_a_message_and_of_the_app(browser: Browser) -> None:
    """The menu of a message holds the app's message shortcuts, the lightning its global ones."""
    async with seen(browser) as (bot, page, _):
        ts = await bot.post("remember this")
        message = page.locator(f"#channel [data-ts='{ts}']")
        await message.hover()
        await message.get_by_role("button", name="More actions").click()
        await page.get_by_role("menuitem", name="Add to the incident's timeline").click()
        await until(lambda: len(bot.shortcuts) == 1)
        assert bot.shortcuts[0]["message"]["ts"] == ts
        await page.locator("#composer").get_by_role("button", name="Shortcuts").click()
        await page.get_by_role("menuitem", name="Open the on-call menu").click()
        await until(lambda: len(bot.shortcuts) == 2)
        assert bot.shortcuts[1]["type"] == "shortcut"


async def test_private_answers_are_dismissed(browser: Browser) -> None:
    """An ephemeral message says that nobody else sees it, and goes when it is dismissed."""
    async with seen(browser) as (bot, page, _):
        await bot.client.chat_postEphemeral(channel="C0INCIDENTS", user="U0ONCALL", text="only for you")
        private = page.locator("#channel .ephemeral")
        await expect(private).to_contain_text("Only visible to you")
        await private.get_by_role("button", name="Dismiss message").click()
        await expect(private).to_have_count(0)


async def test_links_of_messages_lead_to_them(browser: Browser) -> None:
    """A permalink opens the channel at the message, also at a reply in its thread."""
    async with seen(browser) as (bot, page, workspace):
        ts = await bot.post("incident")
        reply = await bot.post("the reply", thread_ts=ts)
        for number in range(60):
            await bot.post(f"later {number}")
        link = await bot.client.chat_getPermalink(channel="C0INCIDENTS", message_ts=reply)
        await bot.post(f"<{link['permalink']}|there>", "ops")
        await page.locator("[data-channel=ops]").click()
        await page.get_by_role("link", name="there").click()
        await expect(page.locator("#replies .lit")).to_contain_text("the reply")
        await expect(page.locator("#channel-name")).to_have_text("# incidents")
        await page.goto(f"{workspace.url}/#/C0INCIDENTS/{ts}")
        await page.reload()
        await expect(page.locator("#channel .lit")).to_contain_text("incident")


async def test_new_messages_are_read_out(browser: Browser) -> None:
    """A live region holds what arrives, by its plain text; an edit is not read out again."""
    async with seen(browser) as (bot, page, _):
        ts = await bot.post("*KV cache* of eu-1", blocks=[{"type": "section", "text": mrkdwn("x")}])
        heard = page.locator("#announcer p")
        await expect(heard).to_have_text("opsbot: KV cache of eu-1")
        await bot.client.chat_update(channel="C0INCIDENTS", ts=ts, text="edited", blocks=[])
        await expect(page.locator(f"[data-ts='{ts}']")).to_contain_text("edited")
        await expect(heard).to_have_count(1)
        assert await page.locator("#announcer").get_attribute("aria-live") == "polite"


async def test_thousands_of_messages_stay_few_on_the_page(browser: Browser) -> None:
    """The latest 200 are drawn, older ones when scrolled to, at the same place; the way back is one press."""
    async with seen(browser) as (bot, page, workspace):
        channel = workspace.state.channel("incidents")
        for number in range(1500):
            workspace.state.post(channel, {"text": f"message {number}"}, user_id="U0COMMANDER")
        await page.reload()
        await expect(page.locator("#channel article")).to_have_count(200)
        await page.keyboard.press("Escape")
        await expect(page.locator("#channel article").last).to_be_in_viewport()
        await page.evaluate("document.querySelector('#channel').scrollTop = 0")
        await expect(page.locator("#channel article")).to_have_count(400)
        await expect(page.get_by_text("message 1300", exact=True)).to_be_in_viewport()
        await bot.post("the newest")
        await expect(page.locator("#latest")).to_have_text("1 new message")
        await page.locator("#latest").click()
        await expect(page.get_by_text("the newest", exact=True)).to_be_in_viewport()
        await expect(page.locator("#latest")).to_be_hidden()


async def test_the_home_tab(browser: Browser) -> None:
    """It is asked for when it is opened, shows the view, and its buttons name the view they stand in."""
    async with seen(browser) as (bot, page, _):
        press = {"type": "button", "text": {"type": "plain_text", "text": "Refresh"}, "action_id": "refresh"}
        bot.home = [{"type": "section", "text": mrkdwn("*Fleet*"), "accessory": press}]
        await page.locator("#home-tab").click()
        await page.locator("#home").get_by_role("button", name="Refresh").click()
        await until(lambda: len(bot.presses) == 1)
        assert bot.presses[0]["container"]["type"] == "view"
        assert bot.presses[0]["view"]["type"] == "home"
        await expect(page.locator("#composer")).to_be_hidden()
