"""Events: somebody opens the Home tab; everything else is acknowledged, so that Slack does not send it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.home import Home
from opsbot.slack.seat import Seat


def register(app: AsyncApp, seat: Seat, home: Home) -> None:
    """Listen to events; to be called after every other listener is registered."""

    async def opened(event: Mapping[str, Any], client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home":
            seat.work.start("show the Home tab", home.show(client, str(event["user"])))

    async def drop(ack: AsyncAck) -> None:
        await ack()

    app.event("app_home_opened")(opened)
    app.event(re.compile(".*"))(drop)
