"""Events: the Home tab, pins, user groups; all others are acknowledged, or Slack sends them again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.home import Home
from opsbot.slack.home_notice import show_home
from opsbot.slack.pinning import PIN, Pinning
from opsbot.slack.seat import Seat


def register(app: AsyncApp, seat: Seat, home: Home, pinning: Pinning) -> None:
    """Listen to events; to be called after every other listener is registered."""

    async def opened(event: Mapping[str, Any], client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home" and event.get("user"):
            seat.work.start("show the Home tab", show_home(home.show, client, str(event["user"])))

    async def pinned(event: Mapping[str, Any], client: AsyncWebClient) -> None:
        if event.get("reaction") == PIN:
            seat.work.start("add a message to a timeline", pinning.pinned(event, client))

    async def unpinned(event: Mapping[str, Any], client: AsyncWebClient) -> None:
        if event.get("reaction") == PIN:
            seat.work.start("take a message off a timeline", pinning.unpinned(event, client))

    async def changed() -> None:
        if seat.groups is not None:
            seat.groups.changed()

    async def drop(ack: AsyncAck) -> None:
        await ack()

    app.event("app_home_opened")(opened)
    app.event("reaction_added")(pinned)
    app.event("reaction_removed")(unpinned)
    app.event("subteam_members_changed")(changed)
    app.event("subteam_updated")(changed)
    app.event(re.compile(".*"))(drop)
