"""A whole night in the on-call seat: alert, message, Why?, taken, approved by a second person, verified, resolved,
written up.

The bot is the one that `opsbot up` starts, with the shipped rule and runbook. The engine is real and small; each of its
steps is made to take as long as a large model's, so that how fast the machine is decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.browser import chromium, page_of
from tests.support.door import leased
from tests.support.pictures import taken
from tests.support.proving import Ground, grounded
from tests.support.serving_server import ServingServer, serving
from tests.support.traffic_process import traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PATIENCE_MS = 120_000
LIMIT_S = PATIENCE_MS / 1000
BEFORE_S = 30.0
CLUSTER = "eu-1"
BATCH, BLOCKS = 16, 64
"""Sixteen long requests need 160 blocks; six fit."""
LOAD = ("--rate", "5", "--max-outstanding", "40", "--prompt-tokens", "96", "--max-tokens", "64", "--seed", "5")
PEOPLE = [
    {"user": "U0ONCALL", "roles": ["responder"]},
    {"user": "U0SECOND", "roles": ["responder"]},
    {"user": "U0COMMANDER", "roles": ["commander"]},
]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, ServingServer]]:
    """One that will drown, and a quiet one beside it."""
    size = ("--max-num-seqs", str(BATCH), "--num-blocks", str(BLOCKS))
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(serving(tmp_path / f"leases-{name}.jsonl", *size)) for name in (CLUSTER, "us-1")
        }


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """The night's Slack."""
    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as found:
        yield found


@pytest.fixture
async def ground(servers: dict[str, ServingServer], workspace: Workspace, tmp_path: Path) -> AsyncIterator[Ground]:
    """The bot, with people who exist in the workspace."""
    urls = {name: server.url for name, server in servers.items()}
    folder = tmp_path / "bot"
    folder.mkdir()
    async with grounded(
        folder, urls, workspace, packs=("serving",), shorter={}, more_settings={"people": PEOPLE}
    ) as found:
        yield found


async def test_a_night_in_the_seat(
    ground: Ground, servers: dict[str, ServingServer], workspace: Workspace, screenshots: Path, tmp_path: Path
) -> None:
    """Each step is seen on the page, and what it changed is seen on the server."""
    problems: list[str] = []
    server, since = servers[CLUSTER], ground.now()
    async with chromium() as browser, page_of(browser, workspace.page_url, problems=problems) as page:
        # A chart that begins with the trouble does not show what is new.
        await ground.sleep(BEFORE_S)
        with leased(server, "fault.slow_step_ms", 40, ttl_s=900):
            async with traffic(server.url, *LOAD):
                card = await woken(page, screenshots)
                await asked_why(page, card, screenshots)
                await card.get_by_role("button", name="Acknowledge", exact=True).click()
                await expect(card).to_contain_text("on-call engineer has it", timeout=PATIENCE_MS)
                assert ground.leases(CLUSTER) == []

                await page.locator("#member").select_option("U0SECOND")
                await approved(page, card, screenshots)
                await ground.until_settled("kv-cache-pressure", "holding", since=since)
                assert 1 <= ground.knob("batch_limit", CLUSTER)["in_force"] < BATCH
                await verified(page, card, screenshots)
                await looked_around(page, screenshots)
        await expect(card).to_contain_text("Resolved: KV cache pressure on eu-1", timeout=PATIENCE_MS)
        await ground.until_at_base()
        assert ground.knob("batch_limit", CLUSTER)["in_force"] == BATCH
        await expect(card).to_contain_text("opsbot postmortem INC-1")
        assert await card.get_by_role("button", name="Undo", exact=True).count() == 0
        await taken(page, screenshots, "seat-resolved", card)
        assert await page.locator("#channel .card").count() == 1
    assert problems == []
    await written_up(ground, tmp_path / "postmortem")


async def woken(page: Page, screenshots: Path) -> Locator:
    """What is wrong, the numbers with a chart, and what waits; answers the incident's message."""
    card = page.locator("#channel .card").first
    await expect(card).to_contain_text("Critical: KV cache pressure on eu-1", timeout=PATIENCE_MS)
    await expect(card).to_contain_text(
        "Waits for approval: set the batch limit of eu-1 from 16 to ", timeout=PATIENCE_MS
    )
    await expect(card).to_contain_text("KV cache used", timeout=PATIENCE_MS)
    chart = card.get_by_role("img", name="KV cache used")
    await expect(chart).to_be_visible(timeout=PATIENCE_MS)
    assert await chart.evaluate("async image => { await image.decode(); return image.naturalWidth > 300; }")
    await taken(page, screenshots, "seat-message", card, is_dark_too=True)
    await taken(page, screenshots, "seat-chart", chart)
    return card


async def asked_why(page: Page, card: Locator, screenshots: Path) -> None:
    """The dialog says what fired and what runs because of it."""
    await card.get_by_role("button", name="Why?").click()
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("KVCachePressure opened an incident", timeout=PATIENCE_MS)
    await expect(dialog).to_contain_text("Relieve KV cache pressure")
    await taken(page, screenshots, "seat-why")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def approved(page: Page, card: Locator, screenshots: Path) -> None:
    """Another person reads the plan, with the value of now, the new one and the digest, and says yes to it."""
    await card.get_by_role("button", name="Approve", exact=True).click()
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("eu-1/batch_limit", timeout=PATIENCE_MS)
    await expect(dialog).to_contain_text("16 → ")
    await expect(dialog).to_contain_text("Plan")
    await expect(dialog).to_contain_text("takes it back")
    await taken(page, screenshots, "seat-approve")
    await dialog.get_by_role("button", name="Approve", exact=True).click()
    await expect(dialog).to_contain_text("Approved.", timeout=PATIENCE_MS)
    await dialog.get_by_role("button", name="Close").last.click()
    await expect(dialog).to_be_hidden()


async def verified(page: Page, card: Locator, screenshots: Path) -> None:
    """The message says so and can be undone; the thread says who did what."""
    await expect(card.get_by_role("button", name="Undo", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    await page.locator("#channel .replies").first.click()
    replies = page.locator("#replies")
    for said in ("Verified: no request is thrown out half done any more", "on-call engineer", "second engineer"):
        await expect(replies).to_contain_text(said, timeout=PATIENCE_MS)
    await taken(page, screenshots, "seat-verified", card, is_thread=True)
    await page.locator("#close-thread").click()


async def looked_around(page: Page, screenshots: Path) -> None:
    """The fleet by a command, the Home tab, and the dialog of a verb that was typed alone."""
    await page.locator("[data-channel=ops]").click()
    box = page.locator("#composer textarea")
    await box.fill("/ops status")
    await page.keyboard.press("Enter")
    answer = page.locator(".ephemeral").last
    for said in ("eu-1", "us-1", "1 open", "INC-1"):
        await expect(answer).to_contain_text(said, timeout=PATIENCE_MS)
    await taken(page, screenshots, "seat-status", answer)

    await box.fill("/ops batch")
    await page.keyboard.press("Enter")
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("eu-1", timeout=PATIENCE_MS)
    await taken(page, screenshots, "seat-batch")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()

    await page.locator("#home-tab").click()
    await expect(page.locator("#home")).to_contain_text("KV cache pressure on eu-1", timeout=PATIENCE_MS)
    await taken(page, screenshots, "seat-home")
    await page.locator("[data-channel=incidents]").click()


async def written_up(ground: Ground, folder: Path) -> None:
    """The command that the message names writes who did what and the charts."""
    said = await ground.bot.command("postmortem", "INC-1", "--out", str(folder))
    assert "wrote " in said
    is_written(folder)


def is_written(folder: Path) -> None:
    """The document, and the charts that it shows."""
    document = (folder / "INC-1.md").read_text(encoding="utf-8")
    for part in ("KV cache pressure on eu-1", "U0ONCALL", "U0SECOND", "no request is thrown out half done any more"):
        assert part in document, part
    charts = list(folder.glob("*.svg")) + list(folder.glob("*.png"))
    assert charts
    assert all(chart.name in document for chart in charts)
