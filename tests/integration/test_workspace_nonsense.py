"""Whatever is posted to the page's routes is refused in words, and never by a crash of the workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from opsbot.workspace.app import Workspace, running
from tests.support.page_user import PAGE, NotingApp, PageUser, actions, button, field, modal, text, workspace_settings
from tests.support.waiting import until

pytestmark = pytest.mark.integration

ROUTES = ("press", "submit", "close", "options", "shortcut", "say", "home", "react", "read")
NONSENSE: tuple[Any, ...] = (
    None,
    "",
    "x",
    0,
    1.5,
    True,
    [],
    [1],
    {},
    {"x": []},
    {"value": {}},
    "x" * 50_000,
    "‮\x00<!channel>",
)
MENU = {"type": "overflow", "action_id": "more", "options": [{"text": text("One"), "value": "1"}]}


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


@pytest.mark.parametrize("route", ROUTES)
async def test_no_field_can_crash_a_route(workspace: Workspace, route: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each field of a sound body is replaced by each kind of nonsense, for every kind of element."""
    user = PageUser(workspace)
    async with NotingApp(workspace).connected() as app:

        async def show(body: dict[str, Any]) -> None:
            if body.get("type") == "shortcut":
                menu = field("menu", kind="static_select", options=MENU["options"], optional=True)
                await app.client.views_open(trigger_id=body["trigger_id"], view=modal(field("reason"), menu))

        app.then = show
        await user.do("shortcut", callback_id="ops.open")
        await until(lambda: any(one["type"] == "views" for one in user.told))
        view = (await user.views())[-1]
        ts = await app.post(blocks=[actions(button("go"), MENU)])
        typed = {"reason": {"it": {"type": "plain_text_input", "value": "x"}}}
        chosen = {"type": "overflow", "action_id": "more", "selected_option": {"value": "1"}}
        bodies: list[dict[str, Any]] = [
            {"channel": "C0INCIDENTS", "ts": ts, "block_id": "act", "action_id": "go", "action": chosen},
            {"view_id": view["id"], "block_id": "menu", "action": {"action_id": "it"}, "values": typed},
            {"channel": "C0OPS", "text": "hello", "thread_ts": None, "name": "tada", "callback_id": "ops.open"},
        ]
        for body in bodies:
            for name in (*body, "values", "action"):
                for nonsense in NONSENSE:
                    await _refused_or_taken(workspace, route, {**body, name: nonsense})
            for part in ("selected_option", "value", "action_id"):
                for nonsense in NONSENSE:
                    await _refused_or_taken(workspace, route, {**body, "action": {**chosen, part: nonsense}})
    assert "Error handling request" not in caplog.text


async def _refused_or_taken(workspace: Workspace, route: str, body: dict[str, Any]) -> None:
    async with (
        aiohttp.ClientSession(headers=PAGE) as session,
        session.post(f"{workspace.url}/ui/{route}", json={"user": "U0ONCALL", **body}) as answer,
    ):
        assert answer.status in (200, 400), (route, body, await answer.text())


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "1", '"x"', '{"user": {}}', '{"user": ["U0ONCALL"]}', '{"user": "U9"}']
)
async def test_a_body_without_a_member_is_refused(workspace: Workspace, body: str) -> None:
    """With what is needed."""
    async with (
        aiohttp.ClientSession(headers=PAGE) as session,
        session.post(f"{workspace.url}/ui/press", data=body) as answer,
    ):
        assert answer.status == 400
        assert "must be" in await answer.text()
