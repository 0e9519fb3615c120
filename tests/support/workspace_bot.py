"""A small Bolt app at the other end of the local workspace, which notes all that reaches it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.bolt_socket import listening
from tests.support.browser import page_of

Payload = dict[str, Any]
ANY = re.compile(".*")


def workspace_settings(port: int = 0) -> WorkspaceSettings:
    """A workspace of its own for each test."""
    return WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=port)


class WorkspaceBot:
    """Notes presses, submissions, closed views, shortcuts, commands and events; answers as it was told to.

    Args:
        modal: what every press of the action `open` opens; by callback id in `modals` what follows it.
        submit_answers: what is answered to submissions, one after the other; a plain ack after that.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.client = AsyncWebClient("xoxb-local", base_url=workspace.api_url)
        self.presses: list[Payload] = []
        self.submissions: list[Payload] = []
        self.closed: list[Payload] = []
        self.shortcuts: list[Payload] = []
        self.commands: list[Payload] = []
        self.events: list[Payload] = []
        self.asked: list[str] = []
        self.modal: Payload | None = None
        self.pushed: Payload | None = None
        self.updated: Payload | None = None
        self.home: Sequence[Payload] = ()
        self.options: Mapping[str, Any] = {"options": []}
        self.submit_answers: list[Mapping[str, Any]] = []
        self._app = AsyncApp(client=self.client)
        self._listen(self._app)

    def _listen(self, app: AsyncApp) -> None:
        app.action(ANY)(self._press)
        app.options(ANY)(self._suggest)
        app.view(ANY)(self._submit)
        app.view_closed(ANY)(self._close)
        app.shortcut(ANY)(self._shortcut)
        app.command("/ops")(self._command)
        for name in ("message", "reaction_added", "reaction_removed", "app_mention"):
            app.event(name)(self._event)
        app.event("app_home_opened")(self._home)

    async def _press(self, ack: AsyncAck, body: Payload) -> None:
        await ack()
        self.presses.append(body)
        action_id, trigger = body["actions"][0]["action_id"], body["trigger_id"]
        if action_id == "open" and self.modal:
            await self.client.views_open(trigger_id=trigger, view=self.modal)
        if action_id == "push" and self.pushed:
            await self.client.views_push(trigger_id=trigger, view=self.pushed)
        if action_id == "update" and self.updated:
            await self.client.views_update(view_id=body["view"]["id"], view=self.updated)

    async def _suggest(self, ack: AsyncAck, body: Payload) -> None:
        self.asked.append(body["value"])
        await ack(**self.options)

    async def _submit(self, ack: AsyncAck, body: Payload) -> None:
        self.submissions.append(body)
        await ack(**(self.submit_answers.pop(0) if self.submit_answers else {}))

    async def _close(self, ack: AsyncAck, body: Payload) -> None:
        await ack()
        self.closed.append(body)

    async def _shortcut(self, ack: AsyncAck, body: Payload) -> None:
        await ack()
        self.shortcuts.append(body)

    async def _command(self, ack: AsyncAck, body: Payload) -> None:
        self.commands.append(body)
        await ack(f"You typed `{body['text']}`")

    async def _event(self, event: Payload) -> None:
        self.events.append(event)

    async def _home(self, event: Payload) -> None:
        if self.home:
            view = {"type": "home", "blocks": list(self.home)}
            await self.client.views_publish(user_id=event["user"], view=view)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[WorkspaceBot]:
        """Listen for the length of an async with block."""
        async with listening(self._app):
            yield self

    async def post(self, text: str, channel: str = "incidents", **more: Any) -> str:
        """Post to a channel; answers the message's ts."""
        posted = await self.client.chat_postMessage(channel=channel, text=text, **more)
        return str(posted["ts"])

    def pressed(self) -> Sequence[tuple[str, str]]:
        """Who pressed which action, in order."""
        return [(body["user"]["id"], body["actions"][0]["action_id"]) for body in self.presses]


@asynccontextmanager
async def seen(
    browser: Browser, *, ignoring: str = "(nothing)", **how: Any
) -> AsyncIterator[tuple[WorkspaceBot, Page, Workspace]]:
    """A workspace with a connected bot and its page; at the end no script of the page may have complained.

    Args:
        ignoring: complaints with this in them are expected.
        how: size and colour scheme of the page.
    """
    problems: list[str] = []
    async with (
        running(workspace_settings()) as workspace,
        WorkspaceBot(workspace).connected() as bot,
        page_of(browser, workspace.page_url, problems=problems, **how) as page,
    ):
        await page.locator("#bot.on").wait_for(state="attached")
        yield bot, page, workspace
    assert [problem for problem in problems if ignoring not in problem] == []


def plain(text: str) -> Payload:
    """A plain_text object."""
    return {"type": "plain_text", "text": text, "emoji": True}


def mrkdwn(text: str) -> Payload:
    """A mrkdwn object."""
    return {"type": "mrkdwn", "text": text}


def option(text: str, value: str | None = None) -> Payload:
    """An option of a menu."""
    return {"text": plain(text), "value": value or text.lower()}


def actions(*elements: Payload, block_id: str = "act") -> Payload:
    """An actions block."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(text: str, action_id: str, **more: Any) -> Payload:
    """A button."""
    return {"type": "button", "text": plain(text), "action_id": action_id, "value": "v-1", **more}


def field(block_id: str, element: Payload, *, optional: bool = False, **more: Any) -> Payload:
    """An input block labelled as its id says; its action is `<block_id>-a`."""
    element = {"action_id": f"{block_id}-a", **element}
    label = plain(block_id.replace("_", " ").capitalize())
    return {"type": "input", "block_id": block_id, "label": label, "element": element, "optional": optional, **more}


def modal(*blocks: Payload, title: str = "Approve", callback_id: str = "first", **more: Any) -> Payload:
    """A modal with the button Send."""
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain(title),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": list(blocks),
        **more,
    }
