"""Writing and keys on the page: commands, completion, drafts, history, the switcher, going through messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import chromium
from tests.support.waiting import until
from tests.support.workspace_bot import seen

pytestmark = pytest.mark.e2e


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def test_commands_are_completed(browser: Browser) -> None:
    """A slash lists the commands with their usage; Tab takes one, Enter sends it."""
    async with seen(browser) as (bot, page, _):
        box = page.locator("#composer textarea")
        await box.focus()
        await page.keyboard.type("/o")
        choice = page.locator("#composer [role=option]")
        await expect(choice).to_contain_text("/ops")
        await page.keyboard.press("Tab")
        await expect(box).to_have_value("/ops ")
        await expect(page.locator("#composer .usage")).to_contain_text("status")
        await page.keyboard.type("status")
        await page.keyboard.press("Enter")
        await expect(page.locator(".ephemeral")).to_contain_text("You typed status")
        assert bot.commands[0]["text"] == "status"


async def test_people_groups_channels_and_emoji_are_completed(browser: Browser) -> None:
    """What is completed is sent with ids, as Slack's client does; the rest is escaped."""
    async with seen(browser) as (_, page, workspace):
        box = page.locator("#composer textarea")
        await box.focus()
        for typed in ("@comm", "@onc", "#uti", ":rotating"):
            await page.keyboard.type(typed)
            await expect(page.locator("#composer [role=option]").first).to_be_visible()
            await page.keyboard.press("ArrowDown" if typed == "@comm" else "Shift")
            await page.keyboard.press("ArrowUp" if typed == "@comm" else "Shift")
            await page.keyboard.press("Tab")
        await page.keyboard.type("a < b & <@U0VISITOR>")
        await page.keyboard.press("Enter")
        messages = workspace.state.channel("incidents").messages
        await until(lambda: len(messages) == 1)
        assert messages[0]["text"] == (
            "<@U0COMMANDER> <!subteam^S0ONCALL> <#C0UTILISATION|ops-utilisation> :rotating_light:"
            " a &lt; b &amp; &lt;@U0VISITOR&gt;"
        )


async def test_drafts_and_what_was_sent(browser: Browser) -> None:
    """What was begun waits in its channel, also after a reload; the arrow up brings back what was sent."""
    async with seen(browser) as (_, page, _workspace):
        box = page.locator("#composer textarea")
        await box.fill("first")
        await page.keyboard.press("Enter")
        await box.fill("second")
        await page.keyboard.press("Enter")
        await expect(page.locator("#channel article")).to_have_count(2)
        await page.keyboard.press("ArrowUp")
        await expect(box).to_have_value("second")
        await page.keyboard.press("ArrowUp")
        await expect(box).to_have_value("first")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await expect(box).to_have_value("")
        await box.fill("half a")
        await page.locator("[data-channel=ops]").click()
        await expect(box).to_have_value("")
        await expect(page.locator("[data-channel=incidents] .draft")).to_be_visible()
        await page.reload()
        await page.locator("[data-channel=incidents]").click()
        await expect(box).to_have_value("half a")


async def test_what_could_not_be_sent_comes_back(browser: Browser) -> None:
    """When the workspace does not answer, the text stands in the box again and the person is told."""
    async with seen(browser, ignoring="Failed to load resource") as (_, page, _workspace):
        await page.route("**/ui/say", lambda route: route.fulfill(status=500, body="no"))
        await page.locator("#composer textarea").fill("hello")
        await page.keyboard.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("no")
        await expect(page.locator("#composer textarea")).to_have_value("hello")


async def test_the_switcher(browser: Browser) -> None:
    """Ctrl+K jumps to a channel by a part of its name, or makes the person at the page somebody else."""
    async with seen(browser) as (_, page, _workspace):
        await page.keyboard.press("Control+k")
        await page.keyboard.type("util")
        await page.keyboard.press("Enter")
        await expect(page.locator("#channel-name")).to_have_text("# ops-utilisation")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("commander")
        await page.keyboard.press("Enter")
        await expect(page.locator("#member")).to_have_value("U0COMMANDER")


async def test_keys_go_through_the_messages(browser: Browser) -> None:
    """Arrows move, T opens the thread, Escape closes it and returns, R reacts, P pins, M is the menu, ? lists them."""
    async with seen(browser) as (bot, page, _):
        first = await bot.post("first")
        await bot.post("second")
        await expect(page.locator("#channel article")).to_have_count(2)
        await page.locator("#channel").focus()
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("ArrowUp")
        message = page.locator(f"#channel [data-ts='{first}']")
        await expect(message).to_be_focused()
        await page.keyboard.press("t")
        await expect(page.locator("#thread-composer textarea")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#thread")).to_be_hidden()
        await expect(message).to_be_focused()
        await page.keyboard.press("p")
        await expect(message.locator("[data-reaction=pushpin]")).to_be_visible()
        await expect(message).to_be_focused()
        await page.keyboard.press("r")
        await page.keyboard.type("tada")
        await page.keyboard.press("Enter")
        await expect(message.locator("[data-reaction=tada]")).to_be_visible()
        await page.keyboard.press("m")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await expect(page.locator("#keys")).to_contain_text("open the thread")
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await expect(page.locator("#composer textarea")).to_have_value("/")
        await page.keyboard.press("Alt+ArrowDown")
        await expect(page.locator("#channel-name")).to_have_text("# ops")


async def test_the_way_back_through_channels(browser: Browser) -> None:
    """The browser's own back button leads to the channel before."""
    async with seen(browser) as (_, page, _workspace):
        await page.locator("[data-channel=ops]").click()
        await page.locator("[data-channel=general]").click()
        await page.go_back()
        await expect(page.locator("#channel-name")).to_have_text("# ops")
