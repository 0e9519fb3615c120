"""The page on a phone, in the dark, and against what people write to break it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.workspace_bot import Payload, actions, button, field, modal, mrkdwn, option, plain, seen

pytestmark = pytest.mark.e2e

WIDTH, HEIGHT = 390, 844
SMALLEST = 40
CONTROLS = "button, summary, .choices label, select:not(.native), input:not([type=checkbox], [type=radio])"
RUN = "javascript:document.title='gone'"
BAD = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>\" onload=\"x"
BAD_LINK = "<javascript:document.title='gone'|press> <data:text/html,x|data>"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def is_narrow(page: Page) -> bool:
    """Whether nothing sticks out sideways."""
    return bool(
        await page.evaluate(
            """() => ['main', 'aside', '#channel', '#replies', '#home', '.modal-body', 'html']
            .flatMap(one => [...document.querySelectorAll(one)]).every(e => e.scrollWidth <= e.clientWidth)"""
        )
    )


async def small_targets(page: Page) -> list[str]:
    """Visible controls that are lower than a thumb needs; links within a sentence are reached around it."""
    found: list[str] = await page.evaluate(
        """([controls, inline, least]) => [...document.querySelectorAll(controls)]
        .filter(e => e.checkVisibility() && e.offsetHeight < least && !e.closest(inline))
        .map(e => `${e.className || e.id}: ${e.offsetHeight}`)""",
        [CONTROLS, ".text, .prose, .broadcast", SMALLEST],
    )
    return found


async def test_one_screen_at_a_time(browser: Browser, screenshots: object) -> None:
    """List, channel, thread and modal fill the phone one after the other, each with a way back; all can be touched."""
    wide = {"type": "section", "text": mrkdwn("W" * 200), "fields": [mrkdwn("*a*\n" + "b" * 90), mrkdwn("*c*\nd")]}
    rows = [[{"type": "raw_text", "text": "long " * 8} for _ in range(6)] for _ in range(2)]
    menu: Payload = {"type": "overflow", "action_id": "more", "options": [option("Hold"), option("Why")]}
    pick: Payload = {"type": "static_select", "action_id": "pick", "options": [option("One")]}
    act = actions(button("Open", "open"), button("Acknowledge", "ack"), pick, menu)
    async with seen(browser, width=WIDTH, height=HEIGHT) as (bot, page, _):
        bot.modal = modal(
            field("reason", {"type": "plain_text_input"}),
            field("one", {"type": "checkboxes", "options": [option("One")]}),
        )
        ts = await bot.post("incident", blocks=[wide, {"type": "table", "rows": rows}, act])
        await bot.client.reactions_add(channel="C0INCIDENTS", timestamp=ts, name="eyes")
        await bot.post("reply", thread_ts=ts)
        await expect(page.locator("#sidebar")).to_be_hidden()
        assert await is_narrow(page)
        assert await small_targets(page) == []
        await page.locator("#channel .replies").click()
        await expect(page.locator("main")).to_be_hidden()
        await expect(page.locator("#replies")).to_be_visible()
        assert await is_narrow(page)
        assert await small_targets(page) == []
        await page.get_by_role("button", name="Back to the channel").click()
        await page.get_by_role("button", name="Open").click()
        dialog = page.locator("#dialog")
        await expect(dialog).to_be_visible()
        box = await dialog.bounding_box()
        assert box == {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}
        assert await is_narrow(page)
        assert await small_targets(page) == []
        await dialog.get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="All channels").click()
        await expect(page.locator("main")).to_be_hidden()
        assert await small_targets(page) == []
        await page.locator("[data-channel=ops]").click()
        await expect(page.locator("#channel-name")).to_have_text("# ops")
        await expect(page.locator("#sidebar")).to_be_hidden()


async def test_a_long_press_opens_the_menu(browser: Browser) -> None:
    """On a touch screen a message's menu comes up from below after a long press."""
    async with seen(browser, width=WIDTH, height=HEIGHT) as (bot, page, _):
        ts = await bot.post("press me long")
        message = page.locator(f"#channel [data-ts='{ts}']")
        await message.dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
        sheet = page.locator(".popup.sheet")
        await expect(sheet.get_by_role("menuitem", name="Reply in thread")).to_be_visible()
        box = await sheet.bounding_box()
        assert box is not None
        assert (box["x"], box["width"], box["y"] + box["height"]) == (0, WIDTH, HEIGHT)
        await sheet.get_by_role("menuitem", name="Reply in thread").click()
        await expect(page.locator("#thread")).to_be_visible()


async def test_light_and_dark(browser: Browser) -> None:
    """The page follows the machine; the switch turns it over, and that is remembered."""
    ground = "getComputedStyle(document.body).backgroundColor"
    async with seen(browser, scheme="dark") as (_, page, _workspace):
        assert await page.evaluate(ground) == "rgb(26, 29, 33)"
        await page.locator("#theme").click()
        assert await page.evaluate(ground) == "rgb(255, 255, 255)"
        await page.reload()
        assert await page.evaluate(ground) == "rgb(255, 255, 255)"
    async with seen(browser, scheme="light") as (_, page, _workspace):
        assert await page.evaluate(ground) == "rgb(255, 255, 255)"


def blocks_of(bad: str) -> list[Payload]:
    """Every kind of block, with *bad* wherever text or an address may stand."""
    text, words = mrkdwn(bad), plain(bad[:70])
    choice = {"text": words, "value": bad[:70], "description": words}
    leaves = [{"type": "text", "text": bad}, {"type": "link", "url": RUN, "text": bad}]
    source = f"# {bad}\n- {bad}\n[x]({RUN})\n\n| {bad} |\n|---|\n| {bad} |"
    typed = {"type": "plain_text_input", "action_id": "i", "placeholder": words, "initial_value": bad}
    return [
        {"type": "header", "text": words},
        {"type": "section", "text": text, "fields": [text, words]},
        {"type": "context", "elements": [text, words]},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": leaves}]},
        {"type": "markdown", "text": source},
        {"type": "table", "rows": [[{"type": "raw_text", "text": bad}]]},
        {"type": "image", "image_url": RUN, "alt_text": bad, "title": words},
        {
            "type": "video", "title": words, "title_url": RUN, "alt_text": bad,
            "video_url": RUN, "thumbnail_url": RUN, "description": words,
        },
        actions(
            {**button("x", "b"), "text": words, "url": RUN, "accessibility_label": bad},
            {"type": "static_select", "action_id": "s", "placeholder": words, "options": [choice]},
            {"type": "overflow", "action_id": "o", "options": [choice, choice]},
            {"type": "radio_buttons", "action_id": "r", "options": [choice]},
        ),
        {"type": "input", "label": words, "hint": words, "element": typed},
        {"type": bad},
    ]  # fmt: skip


def message_of(bad: str) -> Payload:
    """A message that holds *bad* everywhere: blocks, attachment, file, reaction, name."""
    attachment = {
        "color": "red;background:url(x)", "title": bad, "title_link": RUN, "text": bad, "author_name": bad,
        "footer": bad, "fields": [{"title": bad, "value": bad}],
    }  # fmt: skip
    file = {"id": "../x", "name": bad, "title": bad, "mimetype": "text/html", "size": 1}
    return {
        "text": bad,
        "blocks": blocks_of(bad),
        "attachments": [attachment],
        "files": [file],
        "reactions": [{"name": bad, "users": [bad], "count": 1}],
        "username": bad,
    }


@pytest.mark.parametrize("bad", [BAD, BAD_LINK], ids=["markup", "links"])
async def test_nothing_that_is_written_runs(browser: Browser, bad: str) -> None:
    """In every text of every block, field and name, markup stays text and no link but to the web is made."""
    async with seen(browser) as (_, page, workspace):
        channel = workspace.state.channel("incidents")
        workspace.state.post(channel, message_of(bad), user_id="U0OPSBOT")
        workspace.state.post(channel, {"text": bad}, user_id="U0COMMANDER")
        await expect(page.locator("#channel article")).to_have_count(2)
        await page.locator("#channel .select-field").click()
        await expect(page.locator(".select-list [role=option]").first).to_be_visible()
        await page.keyboard.press("Escape")
        for link in await page.locator("#channel a[href]").evaluate_all("all => all.map(a => a.href)"):
            assert link.startswith((workspace.url, "http://127.0.0.1")), link
        assert await page.locator("#channel img[onerror], #channel script, #channel [onload]").count() == 0
        await page.get_by_role("button", name="img src" if bad is BAD else "javascript").first.click()
        assert "gone" not in await page.title()
