"""Events to the app: those it subscribed to, each again if it is not acknowledged."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from opsbot.workspace.app_settings import AppSettings
from opsbot.workspace.delivery import Delivery, Retry, Undelivered
from opsbot.workspace.payload import event_callback
from opsbot.workspace.surface import Payload

logger = logging.getLogger(__name__)

MAX_UNDER_WAY = 2_000
"""Events that wait for an acknowledgement or a retry; further ones are dropped."""
MESSAGES = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class EventQueue:
    """Sends events, many at a time.

    Args:
        token: Slack's verification token, part of each event.
    """

    def __init__(self, delivery: Delivery, settings: AppSettings, token: str) -> None:
        self._delivery = delivery
        self._settings = settings
        self._token = token
        self._tasks: set[asyncio.Task[None]] = set()
        self.retries_s = settings.event_retries_s

    def emit(self, event: Payload) -> None:
        """Send one event, if the app wants it."""
        if _subscription(event) not in self._settings.events:
            return
        if len(self._tasks) >= MAX_UNDER_WAY:
            logger.warning("an event of type %s is dropped: %d are under way", event["type"], len(self._tasks))
            return
        wrapped = event_callback(event, self._token, f"Ev{secrets.token_hex(5).upper()}", int(time.time()))
        task = asyncio.create_task(self._send(wrapped))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Send nothing any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, wrapped: Payload) -> None:
        retry: Retry | None = None
        for attempt, pause_s in enumerate((*self.retries_s, None), 1):
            try:
                await self._delivery.send("events_api", wrapped, retry)
                return
            except Undelivered as error:
                if pause_s is None or not error.may_retry:
                    return
                await asyncio.sleep(pause_s)
                retry = Retry(attempt, error.reason)


def _subscription(event: Payload) -> str:
    kind = str(event["type"])
    return MESSAGES.get(str(event.get("channel_type")), "") if kind == "message" else kind
