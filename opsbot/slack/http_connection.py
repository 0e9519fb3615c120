"""HTTP mode in place of a Socket Mode connection: listens for Slack's requests, and signs in to see if it is up.

Nobody can know from here whether Slack reaches the request URL; the health page says when it last did.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock, to_rfc3339
from opsbot.listen import serve
from opsbot.notify.notifier import DeliveryError
from opsbot.slack.app import sign_in
from opsbot.slack.connection import FIRST_PAUSE_S, LONGEST_PAUSE_S
from opsbot.slack.request_url import PATH, RequestUrl

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0


class HttpConnection:
    """Takes requests on *listener* for as long as `run` runs; has the same face as `Connection`."""

    def __init__(
        self, app: AsyncApp, client: AsyncWebClient, signing_secret: str, listener: socket.socket, clock: Clock
    ) -> None:
        self._client = client
        self._listener = listener
        self._door = RequestUrl(app, signing_secret, clock)
        self._is_connected = False
        self._problem: str | None = None

    @property
    def is_connected(self) -> bool:
        """Whether Slack knew us the last time that it was asked."""
        return self._is_connected

    @property
    def problem(self) -> str | None:
        """Why Slack does not know us, in one sentence; None while it does."""
        return self._problem

    @property
    def heard(self) -> str:
        """When Slack's last request came, for the health page."""
        at = self._door.last_heard_at
        return "no request of Slack's came yet" if at is None else f"its last request came at {to_rfc3339(at)}"

    async def run(self) -> None:
        """Listen, and sign in again and again; until cancelled."""
        host, port = self._listener.getsockname()[:2]
        logger.info("Slack's requests are taken at %s:%d%s; it needs a TLS proxy before it", host, port, PATH)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(self._door.app, self._listener), name="request URL")
            group.create_task(self._look(), name="signed in to Slack")

    async def _look(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await sign_in(self._client)
            except DeliveryError as error:
                self._say(f"{error}; trying again")
            except Exception as error:
                # The library may fail in ways nobody foresaw; core must not lose its ears for good over one of them.
                self._say(f"signing in to Slack failed with {type(error).__name__}; trying again")
            else:
                if not self._is_connected:
                    logger.info("connected to Slack")
                self._is_connected, self._problem, pause_s = True, None, FIRST_PAUSE_S
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            self._is_connected = False
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("%s", problem)
        self._problem = problem
