"""The Socket Mode connection: made when Slack answers, and made anew when it has been lost for ten seconds.

The library reconnects by itself in the usual cases, but it retries a refused address for ever; building the handler
again asks Slack for a fresh one. The bot runs on without Slack meanwhile, and says so in one line per cause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.notify.notifier import DeliveryError
from opsbot.slack.app import check_tokens

logger = logging.getLogger(__name__)

PING_INTERVAL_S = 2.0
CONNECT_TIMEOUT_S = 15.0
LOST_AFTER_S = 10.0
LOOK_EVERY_S = 0.5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0


class Connection:
    """Keeps one Socket Mode connection for as long as `run` runs."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        clock: Clock,
        *,
        lost_after_s: float = LOST_AFTER_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._app = app
        self._client = client
        self._app_token = app_token
        self._clock = clock
        self._lost_after_s = lost_after_s
        self._connect_timeout_s = connect_timeout_s
        self._is_connected = False
        self._problem: str | None = None

    @property
    def is_connected(self) -> bool:
        """Whether presses and commands reach us now."""
        return self._is_connected

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in one sentence; None while there is one or none was tried yet."""
        return self._problem

    async def run(self) -> None:
        """Connect, watch, connect again; until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await check_tokens(self._client, self._app_token)
                await self._connected_once()
                pause_s = FIRST_PAUSE_S
                self._say("the connection to Slack was lost; making a new one")
            except DeliveryError as error:
                self._say(f"{error}; presses and commands do not reach opsbot, trying again")
            except TimeoutError:
                self._say(f"Slack gave no Socket Mode connection within {self._connect_timeout_s:.0f} s; trying again")
            except Exception as error:
                # The library may fail in ways nobody foresaw; core must not lose its ears for good over one of them.
                self._say(f"the connection to Slack failed with {type(error).__name__}; trying again")
                logger.debug("the failed connection", exc_info=error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("%s", problem)
        self._problem = problem

    async def _connected_once(self) -> None:
        """Returns when the connection has been gone for too long."""
        # The library logs every failed attempt with a stack trace; the lines of this class say it once.
        quiet = logging.getLogger("opsbot.slack.socket_mode")
        quiet.setLevel(logging.CRITICAL)
        handler = AsyncSocketModeHandler(self._app, self._app_token, logger=quiet, ping_interval=PING_INTERVAL_S)
        connect: Callable[[], Awaitable[None]] = handler.connect_async
        close: Callable[[], Awaitable[None]] = handler.close_async
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await connect()
            await self._watch(handler)
        finally:
            self._is_connected = False
            await close()

    async def _watch(self, handler: AsyncSocketModeHandler) -> None:
        seen_at = self._clock.monotonic()
        while self._clock.monotonic() - seen_at < self._lost_after_s:
            if await handler.client.is_connected():
                if not self._is_connected:
                    logger.info("connected to Slack")
                seen_at = self._clock.monotonic()
                self._is_connected, self._problem = True, None
            else:
                self._is_connected = False
            await asyncio.sleep(LOOK_EVERY_S)
