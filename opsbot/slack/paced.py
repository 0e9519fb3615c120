"""A Web API client that keeps each method's tier by itself: a call that would be too early waits its turn.

Posts and edits of the outbox are not paced here; the delivery chooses their order, which waiting would spoil.
"""

from __future__ import annotations

import asyncio
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.clock import Clock
from opsbot.notify.budget import Budget, Call, Lane
from opsbot.slack.call import refusal_pause_s
from opsbot.slack.tiers import AT_ONCE

LONGEST_WAIT_S = 30.0
"""After that the call is made all the same: Slack itself has the last word."""


class PacedClient(AsyncWebClient):
    """Counts every call in *budget*, which all clients of one workspace share."""

    def __init__(self, token: str, *, budget: Budget, clock: Clock, **options: Any) -> None:
        super().__init__(token, **options)
        self._budget = budget
        self._clock = clock

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """One call of *api_method*, when its turn comes."""
        call = Call(Lane.OTHER, key=api_method)
        await self._turn(call)
        try:
            return await super().api_call(api_method, **arguments)
        except SlackApiError as error:
            pause_s = refusal_pause_s(error)
            if pause_s is not None:
                self._budget.pause(call, pause_s, self._clock.monotonic())
            raise

    async def _turn(self, call: Call) -> None:
        waited_s = 0.0
        while call.key not in AT_ONCE and waited_s < LONGEST_WAIT_S:
            wait_s = self._budget.wait_s(call, self._clock.monotonic())
            if wait_s <= 0:
                break
            wait_s = min(wait_s, LONGEST_WAIT_S - waited_s)
            await asyncio.sleep(wait_s)
            waited_s += wait_s
        self._budget.spend(call, self._clock.monotonic())
