"""An incident's message as a person meets it: what matters is on a phone's first screen, and every button answers."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from opsbot.clock import SystemClock
from opsbot.incident.explanation import Decision, Explanation
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import AlertView, EscalationView, IncidentView, StepView
from opsbot.slack.app import SlackSettings
from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.browser import chromium, page_of
from tests.support.drawn_vitals import DrawnVitals
from tests.support.incident_views import make_approval, make_entry, make_incident, make_run, make_view
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.e2e

NOW = SystemClock().now()
PHONE = (390, 844)
FIRING = AlertView(
    "f", "KVCachePressure", "KV cache pressure on local", "critical", {"cluster": "local"}, True, NOW, None, 0.93
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


def waiting_for_approval() -> IncidentView:
    """Nobody has it, and a step waits for consent."""
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval")
    run = make_run(steps=[step], approvals=[make_approval(expires_at=NOW + 600)])
    incident = dataclasses.replace(make_incident(), opened_at=NOW, updated_at=NOW)
    escalation = EscalationView("urgent", "waiting", 1, 2, ("anna", "ben"), NOW + 300)
    return dataclasses.replace(make_view(incident, [run]), alerts=(FIRING,), escalation=escalation)


@asynccontextmanager
async def shown(
    browser: Browser,
    view: IncidentView,
    size: tuple[int, int] = (1280, 900),
    scheme: Literal["light", "dark"] = "light",
) -> AsyncIterator[tuple[Page, Core]]:
    """The page with that incident and its chart in the channel, and what the bot is told."""
    core, problems = Core(), []  # type: ignore[var-annotated]
    core.show(view)
    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as workspace:
        slack = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")
        async with running_role(core, slack, DrawnVitals()) as role:
            messages = workspace.state.channel("incidents").messages
            await until(lambda: bool(messages) and "slack_file" in str(messages[0]["blocks"]) and role.is_connected)
            width, height = size
            async with page_of(
                browser, workspace.page_url, width=width, height=height, scheme=scheme, problems=problems
            ) as page:
                await expect(page.locator("#channel .card")).to_be_visible()
                yield page, core
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_the_first_screen_says_what_and_what_next(
    browser: Browser, screenshots: Path, scheme: Literal["light", "dark"]
) -> None:
    """Headline, what waits, who has it, the numbers, and the buttons that decide; nothing is wider than the phone."""
    async with shown(browser, waiting_for_approval(), PHONE, scheme) as (page, _):
        card = page.locator("#channel .card").first
        await card.get_by_role("heading").scroll_into_view_if_needed()
        await page.screenshot(path=screenshots / f"incident-phone-{scheme}.png")
        top = await card.get_by_role("heading").bounding_box()
        last = await card.get_by_role("button", name="Acknowledge").bounding_box()
        assert top is not None
        assert last is not None
        assert last["y"] + last["height"] - top["y"] < PHONE[1] - 160
        text = await card.inner_text()
        order = [text.index(part) for part in (
            "Critical: KV cache pressure on local", "Waits for approval: Resize the batch of local from 32 to 8",
            "Nobody has it yet", "KV cache used 93%", "Will do:", "Acknowledge", "Resize the batch · waits",
        )]  # fmt: skip
        assert order == sorted(order)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        chart = card.get_by_role("img", name="KV cache used")
        await expect(chart).to_be_visible()
        assert await chart.evaluate("image => image.complete && image.naturalWidth > 300")
        await chart.scroll_into_view_if_needed()
        await page.screenshot(path=screenshots / f"incident-phone-chart-{scheme}.png")


async def test_why_is_answered_in_a_dialog(browser: Browser, screenshots: Path) -> None:
    """What fired, what was decided, what runs because of it, who was told; and it is closed again."""
    async with shown(browser, waiting_for_approval()) as (page, core):
        decided = Decision(NOW, "f", "KVCachePressure", "incident.opened", "KVCachePressure fires")
        core.commands.explanations["INC-1"] = Explanation((), (decided,))
        await page.screenshot(path=screenshots / "incident.png")
        await page.locator("#channel .card").get_by_role("button", name="Why?").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Why INC-1?")
        await expect(dialog).to_contain_text("KVCachePressure opened an incident")
        await page.screenshot(path=screenshots / "incident-why.png")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()


async def test_a_note_is_added_from_the_menu(browser: Browser, screenshots: Path) -> None:
    """The dialog says where it goes; what is typed arrives with whoever typed it."""
    async with shown(browser, waiting_for_approval()) as (page, core):
        menu = page.locator("#channel .card").get_by_label("More actions").first
        await menu.click()
        await page.screenshot(path=screenshots / "incident-menu.png")
        await page.get_by_text("Add a note …").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("It stands in the timeline with your name")
        await dialog.locator("textarea").fill("the rack was moved at 14:05")
        await dialog.get_by_role("button", name="Add", exact=True).click()
        await until(lambda: bool(core.commands.calls))
        assert core.commands.calls == [("note", "INC-1 the rack was moved at 14:05", "U0ONCALL")]


async def test_a_resolved_incident_is_short(browser: Browser, screenshots: Path) -> None:
    """How long, how it ended, who had it, and its last chart."""
    taken = make_entry("a", "Acknowledged", actor="U0ONCALL", kind="incident.acknowledged", at=NOW - 200)
    ended = make_entry("r", "Resolved: KVCachePressure no longer fires", kind="incident.resolved", at=NOW)
    incident = dataclasses.replace(
        make_incident(IncidentState.RESOLVED, acknowledged_by="U0ONCALL", resolved_at=NOW), opened_at=NOW - 300
    )
    async with shown(browser, make_view(incident, [make_run("succeeded", ended_at=NOW)], [taken, ended]), PHONE) as (
        page,
        _,
    ):
        card = page.locator("#channel .card").first
        await page.screenshot(path=screenshots / "incident-resolved-phone.png")
        await expect(card).to_contain_text("Resolved: KV cache pressure on local")
        await expect(card).to_contain_text("after 5 min")
        assert await card.get_by_role("button", name="Acknowledge", exact=True).count() == 0
