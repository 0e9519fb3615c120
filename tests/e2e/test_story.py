"""The whole loop on the real model: the demo's story and its checks, with a browser that clicks Approve."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from rich.console import Console

from opsbot.demo.display import Check, Display
from opsbot.demo.stage import Stage
from opsbot.demo.story import CHECKS, DemoOptions, Story
from tests.support.browser import chromium, page_of
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PATIENCE_MS = 120_000


async def approve(page: Page, screenshots: Path) -> None:
    """What an on-call engineer does: wait for the incident, read it, approve, read on."""
    card = page.locator("#channel .card").filter(has_text="KV cache pressure on local").first
    await expect(card.get_by_role("button", name="Approve")).to_be_visible(timeout=PATIENCE_MS)
    await expect(card).to_contain_text("set the batch limit of local from 24 to ")
    await page.locator("#channel .replies").first.click()
    await page.screenshot(path=screenshots / "workspace.png")
    await card.get_by_role("button", name="Approve").click()
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("local/batch_limit", timeout=PATIENCE_MS)
    await page.screenshot(path=screenshots / "approve.png")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_contain_text("Approved.", timeout=PATIENCE_MS)
    await dialog.get_by_role("button", name="Close").last.click()
    await expect(page.locator("#replies")).to_contain_text("Verified", timeout=PATIENCE_MS)
    await expect(card.get_by_role("button", name="Undo")).to_be_visible()
    await page.screenshot(path=screenshots / "verified.png")


async def test_the_bot_relieves_a_drowning_server_when_a_person_approves(tmp_path: Path, screenshots: Path) -> None:
    """Overload, incident, a click on Approve, proven relief, recovery, release: each seen from outside."""
    display = Display([Check(key, title) for key, title in CHECKS], Console())
    stage = Stage(tmp_path, free_port())
    problems: list[str] = []
    try:
        told = asyncio.create_task(Story(DemoOptions(False, 0, 7, False), stage, display).tell())
        while not await stage.observer.is_up(stage.page_url.split("?")[0] + "health"):
            assert not told.done(), told
            await asyncio.sleep(0.3)
        async with chromium() as browser, page_of(browser, stage.page_url, problems=problems) as page:
            await approve(page, screenshots)
            await told
            await expect(page.locator("#channel .card").first).to_contain_text("Resolved", timeout=PATIENCE_MS)
    finally:
        await stage.close()
    assert display.missing() == []
    assert "U0ONCALL" in str(display.check("approved").evidence)
    assert problems == []
