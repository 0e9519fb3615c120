"""Every dialog as somebody meets it in the workspace's page, on a desk and on a phone: read, submitted, done."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from opsbot.clock import SystemClock
from opsbot.incident.view import AnnouncementView, IncidentView, StepView
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.preview import Preview, PreviewStep
from opsbot.slack.app import SlackSettings
from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.browser import chromium, page_of
from tests.support.incident_views import make_approval, make_run, make_view
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.e2e

NOW = SystemClock().now()
SIZES = pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)], ids=["desk", "phone"])
RESIZE = PreviewStep(
    "Resize the batch", "serving.set_batch",
    "set the batch limit of eu-1 from 32 to 8 for 10m at a time, renewed while the incident is open",
    ("limit=8", "mode=preempt"), (KnobTurn("eu-1/batch_limit", "32", "8"),),
    "ends by itself 10m after the last renewal; Undo takes it back to 32 at once",
)  # fmt: skip
PLAN = Preview(
    "approve", "apr-1", "“Relieve KV cache pressure” (r-4e65d3) for INC-1", (RESIZE,),
    ("It is verified: preemptions have stopped.", "Then: Shed the lowest class, Put the failwhale up."),
    "`undo r-4e65d3` takes it back.", "By itself it ends when the incident does, and within 10m if opsbot should die.",
    "responders", run_id="run-1", incident_id="INC-1",
)  # fmt: skip


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


def incident() -> IncidentView:
    """One with something to approve, to object to, and to take back."""
    said = AnnouncementView("ann-1", "run-1", "drain", "Cluster eu-1 is drained", False, NOW, NOW + 900, ())
    approval = dataclasses.replace(make_approval(expires_at=NOW + 600), count=2)
    steps = [StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval")]
    run = dataclasses.replace(make_run(steps=steps, approvals=[approval], can_undo=True), announcements=(said,))
    view = make_view(runs=[run])
    return dataclasses.replace(view, incident=dataclasses.replace(view.incident, opened_at=NOW, updated_at=NOW))


@asynccontextmanager
async def shown(browser: Browser, width: int, height: int) -> AsyncIterator[tuple[Page, Core]]:
    """The page with that incident, and what the bot is told."""
    core, problems = Core(), []  # type: ignore[var-annotated]
    core.show(incident())
    core.commands.previews = {"approve": PLAN}
    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as workspace:
        slack = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")
        async with running_role(core, slack) as role:
            await until(lambda: core.is_all_said() and role.is_connected)
            async with page_of(browser, workspace.page_url, width=width, height=height, problems=problems) as page:
                await expect(page.locator("#channel .card").first).to_be_visible()
                yield page, core
    assert problems == []


@SIZES
async def test_approved_in_the_dialog(browser: Browser, screenshots: Path, width: int, height: int) -> None:
    """The plan, then a changed plan with nothing done, then the outcome in place."""
    async with shown(browser, width, height) as (page, core):
        await page.locator("#channel .card").first.get_by_role("button", name="Approve", exact=True).click()
        dialog = page.locator("#dialog")
        await expect(dialog).to_contain_text("eu-1/batch_limit")
        await expect(dialog).to_contain_text("Plan")
        await page.screenshot(path=screenshots / f"dialog-approve-{width}.png")

        turned = dataclasses.replace(RESIZE, turns=(KnobTurn("eu-1/batch_limit", "16", "8"),))
        held = ("eu-1/batch_limit is held by <@U0SECOND>: I turn it by hand; it waits until that is over.",)
        core.commands.previews = {"approve": dataclasses.replace(PLAN, steps=(turned,), in_the_way=held)}
        await dialog.get_by_role("button", name="Approve").click()
        await expect(dialog).to_contain_text("Nothing was done: this has changed since you looked.")
        await expect(dialog).to_contain_text("eu-1/batch_limit is 16 now; it was 32.")
        await expect(dialog).to_contain_text("second engineer")
        await page.screenshot(path=screenshots / f"dialog-changed-{width}.png")
        assert core.commands.calls == []

        await dialog.get_by_role("button", name="Approve").click()
        await expect(dialog).to_contain_text("Approved.")
        await page.screenshot(path=screenshots / f"dialog-approved-{width}.png")
        assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]
        await dialog.get_by_role("button", name="Close").last.click()
        await expect(dialog).to_be_hidden()


@SIZES
async def test_every_other_dialog(browser: Browser, screenshots: Path, width: int, height: int) -> None:
    """Each opens with its plan and is left again; nothing is done."""
    async with shown(browser, width, height) as (page, core):
        card, dialog = page.locator("#channel .card").first, page.locator("#dialog")
        for label, says in (("Undo", "This is taken back"), ("Object", "This is not done")):
            await card.get_by_role("button", name=label, exact=True).click()
            await expect(dialog).to_contain_text(says)
            await page.screenshot(path=screenshots / f"dialog-{label.lower()}-{width}.png")
            await dialog.get_by_role("button", name="Not now").click()
            await expect(dialog).to_be_hidden()
        for entry, says in (
            ("Cancel and take back", "Cancel this run?"),
            ("Hold its knobs", "Hold a knob?"),
            ("Silence its alerts", "Silence alerts?"),
            ("Resolve by hand", "Resolve this incident?"),
        ):
            menu = "run.menu" if entry.startswith("Cancel") else "incident.menu"
            await card.locator(f"summary[data-action-id='{menu}']").click()
            await page.get_by_role("button", name=entry).click()
            await expect(dialog).to_contain_text(says)
            await page.screenshot(path=screenshots / f"dialog-{entry.split()[0].lower()}-{width}.png")
            await dialog.get_by_role("button", name="Not now").click()
            await expect(dialog).to_be_hidden()
        assert core.commands.calls == []


@SIZES
async def test_the_glass_and_whoever_may_not(browser: Browser, screenshots: Path, width: int, height: int) -> None:
    """A mistake is told under its field; whoever lacks the role hears who has it."""
    async with shown(browser, width, height) as (page, core):
        core.commands.able = ("U0COMMANDER",)
        await page.locator("#channel .card").first.get_by_role("button", name="Approve alone").click()
        await expect(page.locator(".ephemeral").last).to_contain_text("Who may: incident commander. Ask them.")
        await page.screenshot(path=screenshots / f"dialog-who-may-{width}.png")
