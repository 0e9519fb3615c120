"""The workspace's page in a real browser, with a real Bolt app at the other end of Socket Mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, ConfirmObject, PlainTextObject, SectionBlock

from opsbot.workspace.app import running
from tests.support.browser import chromium, page_of
from tests.support.ports import free_port
from tests.support.workspace_bot import WorkspaceBot, workspace_settings

pytestmark = pytest.mark.e2e

BLOCKS = [
    SectionBlock(block_id="what", text="*Approval needed* for `eu-1`"),
    ActionsBlock(
        block_id="act",
        elements=[
            ButtonElement(
                text="Approve",
                action_id="approve",
                value="a-1",
                style="primary",
                confirm=ConfirmObject(
                    title="Sure?", text=PlainTextObject(text="It will <b>act</b>."), confirm="Approve", deny="Not yet"
                ),
            ),
            ButtonElement(text="Refuse", action_id="refuse", value="a-1"),
        ],
    ),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def test_messages_appear_and_are_edited_in_place(browser: Browser) -> None:
    """A post shows up live, an edit replaces it where it stands, and a reply opens in the thread."""
    problems: list[str] = []
    async with (
        running(workspace_settings()) as workspace,
        page_of(browser, workspace.page_url, problems=problems) as page,
    ):
        bot = WorkspaceBot(workspace)
        await expect(page.locator("#channel .empty")).to_be_visible()
        ts = await bot.post("first *words*")
        await expect(page.locator(f"#channel [data-ts='{ts}'] b >> text=words")).to_be_visible()
        await bot.client.chat_update(channel="C0INCIDENTS", ts=ts, text="second words")
        await expect(page.locator(f"#channel [data-ts='{ts}']")).to_contain_text("second words")
        await expect(page.locator("#channel article")).to_have_count(1)
        await bot.post("a reply", thread_ts=ts)
        await page.get_by_role("button", name="1 reply").click()
        await expect(page.locator("#replies article")).to_have_count(2)
        await page.keyboard.press("Escape")
        await expect(page.locator("#thread")).to_be_hidden()
    assert problems == []


async def test_a_press_asks_and_reaches_the_bot(browser: Browser) -> None:
    """A button with a confirmation acts only when confirmed, as whoever is chosen, and its text is never markup."""
    async with (
        running(workspace_settings()) as workspace,
        WorkspaceBot(workspace).connected() as bot,
        page_of(browser, workspace.page_url) as page,
    ):
        await bot.post("Approval needed", blocks=BLOCKS)
        approve = page.locator("#channel [data-action-id='approve']")
        await approve.click()
        await expect(page.locator("#confirm p")).to_have_text("It will <b>act</b>.")
        await page.get_by_role("button", name="Not yet").click()
        assert bot.presses == []
        await page.locator("#member").select_option("U0COMMANDER")
        await approve.click()
        async with page.expect_response(lambda answer: answer.url.endswith("/ui/press")):
            await page.locator("#confirm button.primary").click()
        assert bot.pressed() == [("U0COMMANDER", "approve")]
        assert bot.presses[0]["actions"][0]["value"] == "a-1"


async def test_what_people_write_stays_text(browser: Browser) -> None:
    """Markup in messages is shown, links go only to the web, and no script runs."""
    problems: list[str] = []
    async with (
        running(workspace_settings()) as workspace,
        page_of(browser, workspace.page_url, problems=problems) as page,
    ):
        bot = WorkspaceBot(workspace)
        ts = await bot.post(
            "<img src=x onerror=document.title='gone'> <javascript:alert(1)|click> <https://example.org|site>"
        )
        message = page.locator(f"[data-ts='{ts}'] .text")
        await expect(message).to_contain_text("click")
        assert await message.locator("img").count() == 0
        assert await message.locator("a").evaluate_all("found => found.map(a => a.href)") == ["https://example.org/"]
        assert "gone" not in await page.title()
    assert problems == []


async def test_a_command_is_answered_to_its_writer_only(browser: Browser) -> None:
    """A slash command's answer is visible to who typed it and to nobody else."""
    async with (
        running(workspace_settings()) as workspace,
        WorkspaceBot(workspace).connected(),
        page_of(browser, workspace.page_url) as page,
    ):
        await expect(page.locator("#bot")).to_have_class("on")
        await page.locator("#composer textarea").fill("/ops status")
        await page.keyboard.press("Enter")
        await expect(page.locator(".ephemeral")).to_contain_text("You typed status")
        await page.locator("#member").select_option("U0VISITOR")
        await expect(page.locator(".ephemeral")).to_have_count(0)


async def test_without_a_bot_the_page_says_so(browser: Browser) -> None:
    """A press that nobody takes is told to the person, and the banner says what to do."""
    async with running(workspace_settings()) as workspace, page_of(browser, workspace.page_url) as page:
        await WorkspaceBot(workspace).post("Approval needed", blocks=BLOCKS)
        await expect(page.locator("#banner")).to_contain_text("not connected")
        await page.locator("#channel [data-action-id='refuse']").click()
        await expect(page.locator(".toast")).to_contain_text("not connected")


async def test_the_page_comes_back_after_a_restart(browser: Browser) -> None:
    """While the workspace is away the page says that it may be old; when it is back, the page shows what is there."""
    port = free_port()
    async with running(workspace_settings(port)) as workspace:
        context = page_of(browser, workspace.page_url)
        page = await context.__aenter__()
        await WorkspaceBot(workspace).post("before")
        await expect(page.locator("#channel")).to_contain_text("before")
    try:
        await expect(page.locator("#banner")).to_contain_text("Connection lost")
        async with running(workspace_settings(port)) as workspace:
            await WorkspaceBot(workspace).post("after")
            await expect(page.locator("#channel")).to_contain_text("after", timeout=20_000)
            await expect(page.locator("#channel")).not_to_contain_text("before")
            await asyncio.sleep(0)
    finally:
        await context.__aexit__(None, None, None)


async def test_the_page_needs_its_token(browser: Browser) -> None:
    """Without the token of the printed address there is no page, and the token does not stay in the address bar."""
    async with running(workspace_settings()) as workspace:
        async with page_of(browser, workspace.url) as page:
            assert "ends in ?token=" in await page.inner_text("body")
        async with page_of(browser, workspace.page_url) as page:
            assert "token" not in page.url
            await expect(page.locator("#channel-name")).to_have_text("# incidents")
