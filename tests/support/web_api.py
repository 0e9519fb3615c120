"""A workspace on a free port, and Slack's official client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings

BOT_TOKEN, APP_TOKEN, PAGE_TOKEN = "xoxb-local", "xapp-local", "page-token"


@dataclass(frozen=True, slots=True)
class Served:
    """A workspace and a client with the bot's token."""

    workspace: Workspace
    client: AsyncWebClient

    def texts(self, channel: str) -> list[str]:
        """What stands in a channel, the oldest first."""
        return [message["text"] for message in self.workspace.state.channel(channel).messages]


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Served]:
    """Until the block ends."""
    chosen = replace(WorkspaceSettings(BOT_TOKEN, APP_TOKEN, PAGE_TOKEN, port=0), **settings)
    async with running(chosen) as workspace:
        yield Served(workspace, AsyncWebClient(BOT_TOKEN, base_url=workspace.api_url))


async def refused(call: Awaitable[Any]) -> Any:
    """The answer of a call that Slack refuses."""
    with pytest.raises(SlackApiError) as raised:
        await call
    return raised.value.response


async def error_of(call: Awaitable[Any]) -> str:
    """The error that a call is answered with."""
    return str((await refused(call))["error"])
