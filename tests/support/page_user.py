"""Somebody at the local workspace's page, over the page's own HTTP, and an app that notes what reaches it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.workspace.app import Workspace
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.bolt_socket import listening

TOKENS = ("xoxb-local", "xapp-local", "page-token")
PAGE = {"X-Page-Token": "page-token"}
ANYTHING = re.compile(".*")


def workspace_settings(**more: Any) -> WorkspaceSettings:
    """A workspace of its own on a free port."""
    return WorkspaceSettings(*TOKENS, **{"port": 0, **more})


class PageUser:
    """One member."""

    def __init__(self, workspace: Workspace, user: str = "U0ONCALL") -> None:
        self._url = workspace.url
        self.user = user
        self.told: list[dict[str, Any]] = []
        workspace.state.listen(self.told.append)
        self._state = workspace.state

    async def do(self, what: str, **body: Any) -> dict[str, Any]:
        """Do something as the page does."""
        async with (
            aiohttp.ClientSession(headers=PAGE) as session,
            session.post(f"{self._url}/ui/{what}", json={"user": self.user, **body}) as answer,
        ):
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def control(self, **switches: Any) -> dict[str, Any]:
        """Set switches of Socket Mode."""
        async with (
            aiohttp.ClientSession(headers=PAGE) as session,
            session.post(f"{self._url}/control/socket", json=switches) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def state(self) -> dict[str, Any]:
        """What the page shows when it is opened."""
        async with (
            aiohttp.ClientSession(headers=PAGE) as session,
            session.get(f"{self._url}/ui/state") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def views(self) -> list[dict[str, Any]]:
        """This member's open dialogs, the one on top last."""
        found: list[dict[str, Any]] = (await self.state())["views"].get(self.user, [])
        return found

    def whispers(self) -> list[str]:
        """The texts of the private answers to this member."""
        return [one["message"]["text"] for one in self.told if one["type"] == "ephemeral" and one["user"] == self.user]


class NotingApp:
    """A real Bolt app that acknowledges everything and notes it; `answers` says with what, by type or command."""

    def __init__(self, workspace: Workspace, signing_secret: str = "") -> None:
        self.client = AsyncWebClient("xoxb-local", base_url=workspace.api_url)
        self.heard: list[dict[str, Any]] = []
        self.answers: dict[str, Mapping[str, Any]] = {}
        self.delay_s = 0.0
        self.then: Callable[[dict[str, Any]], Awaitable[object]] | None = None
        self.bolt = app = AsyncApp(client=self.client, signing_secret=signing_secret or None)

        async def note(ack: AsyncAck, body: dict[str, Any]) -> None:
            self.heard.append(body)
            kind = str(body.get("type") or body.get("command"))
            await asyncio.sleep(self.delay_s)
            await ack(**self.answers.get(kind, {}))
            if self.then is not None and kind != "event_callback":
                await self.then(body)

        app.action(ANYTHING)(note)
        app.options(ANYTHING)(note)
        app.view_submission(ANYTHING)(note)
        app.view_closed(ANYTHING)(note)
        app.shortcut(ANYTHING)(note)
        app.command(ANYTHING)(note)
        app.event(ANYTHING)(note)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """What it heard of one type, or the events of one type."""
        events = [one["event"] for one in self.heard if one.get("type") == "event_callback"]
        return [one for one in [*self.heard, *events] if kind in (one.get("type"), one.get("command"))]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[NotingApp]:
        """Listens over Socket Mode for the length of an async with block."""
        async with listening(self.bolt):
            yield self

    async def post(self, text: str = "text", channel: str = "C0INCIDENTS", **more: Any) -> str:
        """Post a message; answers its ts."""
        posted = await self.client.chat_postMessage(channel=channel, text=text, **more)
        return str(posted["ts"])


def text(content: str) -> dict[str, Any]:
    """A plain text object."""
    return {"type": "plain_text", "text": content, "emoji": True}


def button(action_id: str, value: str = "v") -> dict[str, Any]:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": text(action_id), "value": value}


def actions(*elements: dict[str, Any], block_id: str = "act") -> dict[str, Any]:
    """A block of buttons and menus."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def field(block_id: str, optional: bool = False, kind: str = "plain_text_input", **element: Any) -> dict[str, Any]:
    """An input of a dialog; its element is called `it`."""
    return {
        "type": "input",
        "block_id": block_id,
        "label": text(block_id),
        "optional": optional,
        "dispatch_action": False,
        "element": {"type": kind, "action_id": "it", **element},
    }


def modal(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A dialog."""
    return {
        "type": "modal",
        "callback_id": "call",
        "title": text("Title"),
        "submit": text("Do it"),
        "close": text("Cancel"),
        "blocks": list(blocks) or [field("reason", optional=True)],
        **more,
    }


def typed(**contents: str) -> dict[str, Any]:
    """`state.values` of text inputs by block id."""
    return {block_id: {"it": {"type": "plain_text_input", "value": content}} for block_id, content in contents.items()}
