"""What runs ask, as a person meets it in the workspace's page: each state is read, pressed, and reaches the bot."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from opsbot.clock import SystemClock
from opsbot.incident.view import AnnouncementView, HaltView, IncidentView, RunView, StepView
from opsbot.runbook.store import Halt
from opsbot.slack.app import SlackSettings
from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.browser import chromium, page_of
from tests.support.incident_views import make_approval, make_incident, make_run, make_view
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.e2e

NOW = SystemClock().now()
ACTED = StepView("current", "Read the KV cache usage", "prometheus.query", "succeeded", "0.93")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


@asynccontextmanager
async def shown(browser: Browser, view: IncidentView) -> AsyncIterator[tuple[Page, Core]]:
    """The page with that incident in the channel, and what the bot is told."""
    core = Core()
    view = dataclasses.replace(view, incident=dataclasses.replace(view.incident, opened_at=NOW, updated_at=NOW))
    core.show(view)
    problems: list[str] = []
    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as workspace:
        slack = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")
        async with running_role(core, slack) as role:
            await until(lambda: core.is_all_said() and role.is_connected)
            async with page_of(browser, workspace.page_url, problems=problems) as page:
                await expect(page.locator("#channel .card")).to_be_visible()
                yield page, core
    assert problems == []


def run_of(step: StepView, state: str = "waiting", **more: object) -> RunView:
    """A run whose second step is *step*."""
    return dataclasses.replace(make_run(state, steps=[ACTED, step]), **more)  # type: ignore[arg-type]


async def pressed(core: Core) -> Sequence[tuple[str, str, str]]:
    """What the bot was told, once it was told something."""
    await until(lambda: bool(core.commands.calls))
    return core.commands.calls


async def test_an_approval_by_several(browser: Browser, screenshots: Path) -> None:
    """Who has consented stands there; a commander may approve alone, saying why."""
    approval = dataclasses.replace(
        make_approval(role="commander,trust_and_safety", expires_at=NOW + 600),
        count=2, granted_by=("U0ONCALL",), excluded="U0VISITOR",
    )  # fmt: skip
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval")
    run = run_of(step, approvals=(approval,), requester="U0VISITOR")
    async with shown(browser, make_view(runs=[run])) as (page, core):
        card = page.locator("#channel .card")
        await expect(card).to_contain_text("1 of 2")
        await page.locator("#member").select_option("U0COMMANDER")
        await page.screenshot(path=screenshots / "run-approval.png")
        await card.get_by_role("button", name="Approve alone").click()
        dialog = page.locator("#dialog")
        await expect(dialog).to_contain_text("Why alone? It is reviewed later")
        await dialog.locator("textarea").fill("nobody else is awake")
        await page.screenshot(path=screenshots / "run-glass.png")
        await dialog.get_by_role("button", name="Approve alone").click()
        assert await pressed(core) == [("glass", "apr-1 nobody else is awake", "U0COMMANDER")]
        await expect(dialog).to_contain_text("You approved apr-1 alone.")


async def test_the_glass_is_for_commanders(browser: Browser) -> None:
    """Others hear which role is needed, and no dialog opens."""
    approval = dataclasses.replace(make_approval(expires_at=NOW + 600), count=2)
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval")
    async with shown(browser, make_view(runs=[run_of(step, approvals=(approval,))])) as (page, core):
        await page.locator("#channel .card").get_by_role("button", name="Approve alone").click()
        await expect(page.locator(".ephemeral")).to_contain_text("the role commander is needed")
        await expect(page.locator("#dialog")).to_be_hidden()
        assert core.commands.calls == []


async def test_an_announcement_counts_down(browser: Browser, screenshots: Path) -> None:
    """When it is done stands there, who offered capacity, and each button does what it says."""
    said = AnnouncementView(
        "ann-1", "run-1", "drain", "Cluster eu-1 is drained for the new model", True, NOW, NOW + 300, ("U0COMMANDER",)
    )
    step = StepView("drain", "Drain eu-1", "serving.drain", "announcing", said.message)
    async with shown(browser, make_view(runs=[run_of(step, announcements=(said,))])) as (page, core):
        card = page.locator("#channel .card")
        await expect(card).to_contain_text("unless somebody objects")
        await page.screenshot(path=screenshots / "run-announcement.png")
        await card.get_by_role("button", name="I have capacity").click()
        assert await pressed(core) == [("offer", "ann-1", "U0ONCALL")]
        await card.get_by_role("button", name="Object").click()
        await expect(page.locator("#dialog")).to_contain_text("This is not done")
        await page.locator("#dialog").get_by_role("button", name="Object").click()
        await until(lambda: len(core.commands.calls) == 2)
        assert core.commands.calls[1] == ("object", "ann-1", "U0ONCALL")


async def test_a_paused_run_is_resumed_from_its_menu(browser: Browser, screenshots: Path) -> None:
    """The message says who paused it and why; the menu says Resume."""
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "pending")
    run = run_of(step, "running", paused_by="U0COMMANDER", pause_reason="the region is being moved")
    async with shown(browser, make_view(runs=[run])) as (page, core):
        card = page.locator("#channel .card")
        await expect(card).to_contain_text("paused by @")
        await card.locator("summary[data-action-id='run.menu']").click()
        await page.screenshot(path=screenshots / "run-paused.png")
        await card.get_by_role("button", name="Resume").click()
        assert [call[0] for call in await pressed(core)] == ["resume"]


async def test_a_step_is_left_out_with_a_reason(browser: Browser, screenshots: Path) -> None:
    """The dialog names the steps that have not acted, and Slack gets no empty reason."""
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "pending")
    async with shown(browser, make_view(runs=[run_of(step, "running")])) as (page, core):
        await page.locator("#channel summary[data-action-id='run.menu']").click()
        await page.get_by_role("button", name="Leave a step out").click()
        dialog = page.locator("#dialog")
        await expect(dialog.locator("select")).to_have_value("smaller_batch")
        await dialog.get_by_role("button", name="Leave out").click()
        await expect(dialog).to_be_visible()
        await dialog.locator("textarea").fill("done by hand")
        await page.screenshot(path=screenshots / "run-skip.png")
        await dialog.get_by_role("button", name="Leave out").click()
        ((verb, about, who),) = await pressed(core)
        assert (verb, about.split(" ", 1)[1], who) == ("skip", "smaller_batch done by hand", "U0ONCALL")


async def test_an_unknown_outcome_is_asked_about(browser: Browser, screenshots: Path) -> None:
    """Both answers say what follows."""
    step = StepView("drain", "Drain eu-1", "serving.drain", "unknown", "serving.drain: no answer within 30s")
    async with shown(browser, make_view(runs=[run_of(step)])) as (page, core):
        card = page.locator("#channel .card")
        await expect(card).to_contain_text("Nobody knows whether this happened: Drain eu-1")
        await page.screenshot(path=screenshots / "run-unknown.png")
        await card.get_by_role("button", name="It did not").click()
        await expect(page.locator("#confirm p")).to_contain_text("“Drain eu-1” is made once more, now.")
        await page.locator("#confirm").get_by_role("button", name="It did not").click()
        ((verb, about, _),) = await pressed(core)
        assert (verb, about.split()[1]) == ("not happened", "drain")


async def test_a_run_that_is_over_is_repeated_from_a_step(browser: Browser, screenshots: Path) -> None:
    """From the beginning unless a step is chosen."""
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "failed", "the server refused")
    async with shown(browser, make_view(runs=[run_of(step, "failed", ended_at=NOW + 5)])) as (page, core):
        await page.locator("#channel summary[data-action-id='run.menu']").click()
        await page.get_by_role("button", name="Repeat").click()
        dialog = page.locator("#dialog")
        await expect(dialog.locator("select")).to_have_value("-")
        await dialog.locator("select").select_option("smaller_batch")
        await page.screenshot(path=screenshots / "run-repeat.png")
        await dialog.get_by_role("button", name="Repeat").click()
        ((verb, about, _),) = await pressed(core)
        assert (verb, about.split()[1]) == ("again", "smaller_batch")


async def test_the_global_stop_is_seen_on_the_message_and_the_home_tab(browser: Browser, screenshots: Path) -> None:
    """With who, why, and how it is lifted; a commander has the button at home."""
    step = StepView("smaller_batch", "Resize the batch", "serving.set_batch", "waiting_approval")
    run = run_of(step, approvals=(make_approval(expires_at=NOW + 600),))
    view = dataclasses.replace(
        make_view(make_incident(), runs=[run]), halt=HaltView("the region is down", "U0COMMANDER", NOW)
    )
    async with shown(browser, view) as (page, core):
        core.commands.halted = Halt(1, "the region is down", "U0COMMANDER", NOW)
        await expect(page.locator("#channel .card")).to_contain_text("All runs are stopped by @")
        await page.screenshot(path=screenshots / "run-halt.png")
        await page.locator("#member").select_option("U0COMMANDER")
        await page.locator("#home-tab").click()
        await expect(page.locator("#home")).to_contain_text("All runs are stopped")
        await page.screenshot(path=screenshots / "run-halt-home.png")
        await page.locator("#home").get_by_role("button", name="Let runs go on").click()
        await page.locator("#dialog").get_by_role("button", name="Go on").click()
        assert await pressed(core) == [("go on", "", "U0COMMANDER")]
