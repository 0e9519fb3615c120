"""The order of stages that takes one outbox item to its readers exactly once: find, mark, post or update, record.

`sending` is recorded before a first post and `delivered` after it, so a crash in between leaves an item whose outcome
is unknown; such an item is looked for by its key before anything is posted again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum

from opsbot.clock import Clock
from opsbot.notify.budget import Budget, Lane
from opsbot.notify.notifier import DeliveryError, MessageGone, Notifier, Place
from opsbot.notify.outbox import OutboxItem, OutboxState, OutboxStore
from opsbot.notify.retry import RetryPolicy

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of one attempt. `deferred` means it was too early, nothing was tried and nothing recorded."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    RETRY = "retry"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt; `again_in_s` is the pause before the next one when the outcome is `retry`."""

    outcome: Outcome
    again_in_s: float = 0.0


class Pipeline:
    """Delivers one item at a time; the caller keeps two deliveries of the same incident apart."""

    def __init__(
        self, store: OutboxStore, notifier: Notifier, clock: Clock, budget: Budget, retry: RetryPolicy | None = None
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._budget = budget
        self._retry = RetryPolicy() if retry is None else retry
        self._unsettled_until: dict[str, float] = {}

    async def deliver(self, item: OutboxItem) -> Attempt:
        """Bring *item* to its readers and record it, or record when to try again.

        Raises: whatever the store raises; the item then stays as it is recorded.
        """
        lane = _lane(item)
        # A new wish makes an item due at once, but a post that may still arrive must not be overtaken by a second one.
        if self._clock.monotonic() < self._unsettled_until.get(item.key, 0.0):
            return Attempt(Outcome.DEFERRED)
        self._unsettled_until.pop(item.key, None)
        try:
            thread = await self._thread(item)
            if item.kind == "timeline_entry" and thread is None:
                return Attempt(Outcome.DEFERRED)
            if not self._budget.allows(lane, item.key, self._clock.monotonic()):
                return Attempt(Outcome.DEFERRED)
            await self._bring(item, thread)
        except DeliveryError as error:
            return await self._failed(item, lane, error)
        return Attempt(Outcome.DELIVERED)

    async def _bring(self, item: OutboxItem, thread: Place | None) -> None:
        place = await self._standing(item, thread)
        if place is not None:
            try:
                place = await self._notifier.update(item, place)
            except MessageGone:
                logger.warning("%s was deleted by somebody and is posted again", item.key)
                place = None
        if place is None:
            place = await self._first_post(item, thread)
        await asyncio.to_thread(self._store.mark_delivered, item.key, item.revision, place.channel, place.ts)

    async def _thread(self, item: OutboxItem) -> Place | None:
        """Where the incident's own message stands; None for what has no thread, or while it is not posted yet."""
        if item.kind != "timeline_entry":
            return None
        parent = await asyncio.to_thread(self._store.item, f"incident:{item.incident_id}")
        if parent is not None and parent.channel is not None and parent.ts is not None:
            return Place(parent.channel, parent.ts)
        if parent is not None and parent.state is not OutboxState.FAILED:
            return None
        raise DeliveryError(f"{item.incident_id} has no message to reply to", retryable=False)

    async def _standing(self, item: OutboxItem, thread: Place | None) -> Place | None:
        if item.state is not OutboxState.SENDING:
            return None if item.channel is None or item.ts is None else Place(item.channel, item.ts)
        try:
            return await self._notifier.find(item, thread)
        except DeliveryError as error:
            # Not having been able to look leaves the outcome as unknown as it was.
            raise DeliveryError(
                f"cannot tell whether it was posted: {error}",
                retryable=error.retryable,
                retry_after_s=error.retry_after_s,
                outcome_unknown=True,
            ) from error

    async def _first_post(self, item: OutboxItem, thread: Place | None) -> Place:
        await asyncio.to_thread(self._store.mark_sending, item.key)
        try:
            return await self._notifier.post(item, thread)
        except MessageGone:
            if thread is None:
                raise
        return await self._notifier.post(item, await self._renew_thread(item))

    async def _renew_thread(self, item: OutboxItem) -> Place:
        """Post the incident's message again after somebody deleted it, so that the reply has a thread."""
        parent = await asyncio.to_thread(self._store.item, f"incident:{item.incident_id}")
        if parent is None:
            raise DeliveryError(f"{item.incident_id} has no message to reply to", retryable=False)
        await self._bring(parent, None)
        thread = await self._thread(item)
        if thread is None:
            raise DeliveryError(f"{item.incident_id} has no message to reply to", retryable=False)
        return thread

    async def _failed(self, item: OutboxItem, lane: Lane, error: DeliveryError) -> Attempt:
        now = self._clock.now()
        # A pause asked for while looking for a message concerns reading, not posting.
        if error.retry_after_s is not None and not error.outcome_unknown:
            self._budget.pause(lane, error.retry_after_s, self._clock.monotonic())
        next_at = self._retry.next_at(item.attempts, error, now)
        if next_at is None:
            logger.error("%s is given up after %d attempts: %s", item.key, item.attempts + 1, error)
            await asyncio.to_thread(self._store.mark_failed, item.key, str(error))
            return Attempt(Outcome.FAILED)
        if error.outcome_unknown:
            self._unsettled_until[item.key] = self._clock.monotonic() + next_at - now
        logger.warning("%s is not delivered, next attempt in %.1f s: %s", item.key, next_at - now, error)
        await asyncio.to_thread(
            self._store.mark_retry, item.key, next_at, str(error), outcome_unknown=error.outcome_unknown
        )
        return Attempt(Outcome.RETRY, next_at - now)


def _lane(item: OutboxItem) -> Lane:
    if item.ts is not None:
        return Lane.EDIT
    return Lane.PAGE if item.kind == "incident_message" else Lane.POST
