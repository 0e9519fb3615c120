"""Dialogs and the Home tab through Slack's own client: triggers, the stack, hashes, and what an app answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.app_settings import AppSettings
from tests.support.page_user import NotingApp, PageUser, field, modal, text, typed, workspace_settings
from tests.support.waiting import until

pytestmark = pytest.mark.integration

HOME = {"type": "home", "blocks": [{"type": "divider"}]}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


@pytest.fixture
async def app(workspace: Workspace) -> AsyncIterator[NotingApp]:
    """Connected."""
    async with NotingApp(workspace).connected() as connected:
        yield connected


@pytest.fixture
def user(workspace: Workspace) -> PageUser:
    """The on-call engineer."""
    return PageUser(workspace)


async def trigger(app: NotingApp, user: PageUser) -> str:
    """A fresh one."""
    before = len(app.of("shortcut"))
    assert (await user.do("shortcut", callback_id="ops.open"))["ok"]
    await until(lambda: len(app.of("shortcut")) > before)
    return str(app.of("shortcut")[-1]["trigger_id"])


async def opened(app: NotingApp, user: PageUser, *blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A dialog that is open."""
    answer = await app.client.views_open(trigger_id=await trigger(app, user), view=modal(*blocks, **more))
    found: dict[str, Any] = answer["view"]
    return found


async def error_of(call: Any) -> str:
    """The error that a call is answered with."""
    with pytest.raises(SlackApiError) as raised:
        await call
    return str(raised.value.response["error"])


async def test_a_trigger_opens_one_view(app: NotingApp, user: PageUser) -> None:
    """Not twice, and not one that was made up; a view that is refused does not use it up."""
    fresh = await trigger(app, user)
    assert await error_of(app.client.views_open(trigger_id=fresh, view={**modal(), "title": text("x" * 25)}))
    assert (await app.client.views_open(trigger_id=fresh, view=modal()))["view"]["type"] == "modal"
    assert await error_of(app.client.views_open(trigger_id=fresh, view=modal())) == "exchanged_trigger_id"
    assert await error_of(app.client.views_open(trigger_id="1.2.3", view=modal())) == "invalid_trigger_id"


async def test_a_trigger_that_is_late_opens_nothing() -> None:
    """However late; how long it lives is a setting, so that a test need not wait three seconds."""
    async with (
        running(workspace_settings(app=AppSettings(trigger_life_s=0.1))) as workspace,
        NotingApp(workspace).connected() as app,
    ):
        user = PageUser(workspace)
        late = await trigger(app, user)
        await asyncio.sleep(0.2)
        assert await error_of(app.client.views_open(trigger_id=late, view=modal())) == "expired_trigger_id"
        assert await user.views() == []


async def test_at_most_three_views_lie_on_each_other(app: NotingApp, user: PageUser) -> None:
    """Each knows the one below and the first; closing shows the one below again."""
    first = await opened(app, user)
    second = (await app.client.views_push(trigger_id=await trigger(app, user), view=modal()))["view"]
    third = (await app.client.views_push(trigger_id=await trigger(app, user), view=modal()))["view"]
    assert (first["previous_view_id"], first["root_view_id"]) == (None, first["id"])
    assert (third["previous_view_id"], third["root_view_id"]) == (second["id"], first["id"])
    push = app.client.views_push(trigger_id=await trigger(app, user), view=modal())
    assert await error_of(push) == "push_limit_reached"
    await user.do("close", view_id=third["id"])
    assert [view["id"] for view in await user.views()] == [first["id"], second["id"]]
    await user.do("close", view_id=second["id"], is_cleared=True)
    assert await user.views() == []


async def test_an_update_needs_the_view_as_it_is(app: NotingApp, user: PageUser) -> None:
    """By id or external id; an old hash, an unknown view and an external id that is taken are refused."""
    view = await opened(app, user, external_id="mine")
    new = (await app.client.views_update(view_id=view["id"], hash=view["hash"], view=modal(title=text("Two"))))["view"]
    assert (new["id"], new["title"]["text"]) == (view["id"], "Two")
    assert new["hash"] != view["hash"]
    stale = app.client.views_update(view_id=view["id"], hash=view["hash"], view=modal())
    assert await error_of(stale) == "hash_conflict"
    assert await error_of(app.client.views_update(view_id="V0", view=modal())) == "not_found"
    # What the update did not repeat is gone, as in Slack.
    assert await error_of(app.client.views_update(external_id="mine", view=modal())) == "not_found"
    await app.client.views_update(view_id=view["id"], view=modal(external_id="mine"))
    assert (await app.client.views_update(external_id="mine", view=modal(external_id="mine")))["ok"]
    again = app.client.views_push(trigger_id=await trigger(app, user), view=modal(external_id="mine"))
    assert await error_of(again) == "duplicate_external_id"
    assert [one["title"]["text"] for one in await user.views()] == ["Title"]


async def test_a_home_tab_keeps_its_id(app: NotingApp, user: PageUser) -> None:
    """And has a hash too; only members have one."""
    one = (await app.client.views_publish(user_id=user.user, view=HOME))["view"]
    two = (await app.client.views_publish(user_id=user.user, view=HOME, hash=one["hash"]))["view"]
    assert one["id"] == two["id"]
    stale = app.client.views_publish(user_id=user.user, view=HOME, hash=one["hash"])
    assert await error_of(stale) == "hash_conflict"
    assert await error_of(app.client.views_publish(user_id="U0NOBODY", view=HOME)) == "user_not_found"


async def test_what_is_missing_is_said_before_the_app_is_asked(app: NotingApp, user: PageUser) -> None:
    """Required inputs and lengths are the client's business."""
    view = await opened(app, user, field("reason"), field("note", optional=True, min_length=5))
    answer = await user.do("submit", view_id=view["id"], values=typed(reason=" ", note="abc"))
    assert answer["ok"] is False
    assert sorted(answer["errors"]) == ["note", "reason"]
    assert app.of("view_submission") == []


async def test_an_acknowledged_submission_closes_that_view(app: NotingApp, user: PageUser) -> None:
    """The one below shows again."""
    first = await opened(app, user)
    second = (await app.client.views_push(trigger_id=await trigger(app, user), view=modal()))["view"]
    assert await user.do("submit", view_id=second["id"], values={}) == {"ok": True}
    assert [view["id"] for view in await user.views()] == [first["id"]]


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        pytest.param({"response_action": "update", "view": modal(title=text("New"))}, ["New"], id="update"),
        pytest.param({"response_action": "push", "view": modal(title=text("New"))}, ["Title", "New"], id="push"),
        pytest.param({"response_action": "clear"}, [], id="clear"),
    ],
)
async def test_what_a_submission_is_answered_with(
    app: NotingApp, user: PageUser, answer: dict[str, Any], titles: list[str]
) -> None:
    """Another view in its place, one on top of it, or an end to all."""
    app.answers["view_submission"] = answer
    view = await opened(app, user)
    assert await user.do("submit", view_id=view["id"], values={}) == {"ok": True}
    assert [one["title"]["text"] for one in await user.views()] == titles


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"response_action": "errors", "errors": {"elsewhere": "x"}}, id="errors of no input"),
        pytest.param({"response_action": "update", "view": {"type": "modal"}}, id="a view that Slack refuses"),
    ],
)
async def test_an_answer_that_slack_would_refuse_leaves_the_dialog(
    app: NotingApp, user: PageUser, answer: dict[str, Any]
) -> None:
    """The person is told, so that the mistake is found here and not in Slack."""
    app.answers["view_submission"] = answer
    view = await opened(app, user)
    refused = await user.do("submit", view_id=view["id"], values={})
    assert refused["error"].startswith("Slack would refuse the bot's answer")
    assert [one["id"] for one in await user.views()] == [view["id"]]


async def test_an_app_that_does_not_answer_leaves_the_dialog(user: PageUser, app: NotingApp) -> None:
    """What was typed is not lost."""
    view = await opened(app, user)
    app.delay_s = 4.0
    refused = await user.do("submit", view_id=view["id"], values={})
    assert "did not answer within three seconds" in refused["error"]
    assert [one["id"] for one in await user.views()] == [view["id"]]


async def test_a_view_of_somebody_else_cannot_be_used(workspace: Workspace, app: NotingApp, user: PageUser) -> None:
    """Nor one that is closed."""
    view, other = await opened(app, user), PageUser(workspace, "U0VISITOR")
    for what in ("submit", "close"):
        assert not (await other.do(what, view_id=view["id"]))["ok"]
    assert [one["id"] for one in await user.views()] == [view["id"]]
    await user.do("close", view_id=view["id"])
    assert not (await user.do("submit", view_id=view["id"], values={}))["ok"]


@pytest.mark.parametrize("is_asked_by", ["the person", "the view"])
async def test_closing_can_end_the_whole_stack(app: NotingApp, user: PageUser, is_asked_by: str) -> None:
    """The app hears of each view that wants to be told of its end, and that all were cleared."""
    first = await opened(app, user, notify_on_close=True)
    second = (
        await app.client.views_push(
            trigger_id=await trigger(app, user),
            view=modal(notify_on_close=True, clear_on_close=is_asked_by == "the view"),
        )
    )["view"]
    await user.do("close", view_id=second["id"], is_cleared=is_asked_by == "the person")
    assert await user.views() == []
    await until(lambda: len(app.of("view_closed")) == 2)
    told = [(one["view"]["id"], one["is_cleared"]) for one in app.of("view_closed")]
    assert sorted(told) == sorted([(first["id"], True), (second["id"], True)])


async def test_closing_the_top_one_clears_nothing(app: NotingApp, user: PageUser) -> None:
    """And says so."""
    await opened(app, user, notify_on_close=True)
    push = app.client.views_push(trigger_id=await trigger(app, user), view=modal(notify_on_close=True))
    top = (await push)["view"]
    await user.do("close", view_id=top["id"])
    await until(lambda: bool(app.of("view_closed")))
    assert [(one["view"]["id"], one["is_cleared"]) for one in app.of("view_closed")] == [(top["id"], False)]
