"""The order of stages that takes one outbox item to its readers exactly once: find, mark, post or update, record.

`sending` is recorded before a first post and `delivered` after it, so a crash in between leaves an item whose outcome
is unknown; such an item is looked for by its key before anything is posted again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from opsbot.clock import Clock
from opsbot.notify.budget import Budget, Call, Lane
from opsbot.notify.collapse import is_late
from opsbot.notify.notifier import DeliveryError, Extent, MessageGone, Notifier, Place
from opsbot.notify.order import Importance, importance
from opsbot.notify.outbox import Late, OutboxItem, OutboxState, OutboxStore
from opsbot.notify.reach import Reach
from opsbot.notify.retry import RetryPolicy

logger = logging.getLogger(__name__)

RESTARTED = "opsbot was restarted"
OUTRANKED = "more urgent messages went first"
"""Why something is late that no outage explains."""


class Outcome(StrEnum):
    """What became of one attempt. `deferred` means it was too early, nothing was tried and nothing recorded."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    RETRY = "retry"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt.

    Args:
        again_in_s: the pause before the next one when the outcome is `retry`.
        ends_outage: whether what could not be said for a while can be said now.
    """

    outcome: Outcome
    again_in_s: float = 0.0
    ends_outage: bool = False


class Pipeline:
    """Delivers one item at a time; the caller keeps two deliveries of the same incident apart."""

    def __init__(
        self,
        store: OutboxStore,
        notifier: Notifier,
        clock: Clock,
        budget: Budget,
        retry: RetryPolicy | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._budget = budget
        self._retry = RetryPolicy() if retry is None else retry
        self._reach = Reach() if reach is None else reach
        self._unsettled_until: dict[str, float] = {}
        self._started_at = clock.now()

    def place(self, item: OutboxItem) -> str:
        """The channel in which *item* is shown."""
        return self._notifier.where(item)

    def wait_s(self, item: OutboxItem, at: float) -> float:
        """Seconds from *at*, monotonic, until *item* may be tried; 0 if now."""
        # A new wish makes an item due at once, but a post that may still arrive must not be overtaken by a second one.
        unsettled_s = self._unsettled_until.get(item.key, 0.0) - at
        if unsettled_s <= 0:
            self._unsettled_until.pop(item.key, None)
        place = self._notifier.where(item)
        return max(0.0, unsettled_s, self._reach.wait_s(place, at), self._budget.wait_s(_call(item, place), at))

    def begin(self, item: OutboxItem, at: float) -> None:
        """Spend what the try at *item* costs; `finish` follows."""
        place = self._notifier.where(item)
        self._budget.spend(_call(item, place), at)
        self._reach.begun(place)

    async def deliver(self, item: OutboxItem) -> Attempt:
        """Bring *item* to its readers and record it, or record when to try again; deferred if it is too early.

        Raises: whatever the store raises; the item then stays as it is recorded.
        """
        at = self._clock.monotonic()
        if self.wait_s(item, at) > 0:
            return Attempt(Outcome.DEFERRED)
        self.begin(item, at)
        return await self.finish(item)

    async def finish(self, item: OutboxItem, carried: Sequence[str] = ()) -> Attempt:
        """The try itself, after `begin`; the message is also to say what the items *carried* were to say."""
        place = self._notifier.where(item)
        try:
            if carried:
                item = await asyncio.to_thread(self._store.carry, item.key, carried)
            try:
                thread = await self._thread(item)
                if item.kind == "timeline_entry" and thread is None:
                    return Attempt(Outcome.DEFERRED)
                await self._bring(item, thread)
            except DeliveryError as error:
                return await self._failed(item, place, error)
            return Attempt(Outcome.DELIVERED, ends_outage=await self._reached(place))
        finally:
            self._reach.left(place)

    async def _bring(self, item: OutboxItem, thread: Place | None) -> None:
        place = await self._standing(item, thread)
        if place is not None:
            try:
                place = await self._notifier.update(item, place)
            except MessageGone as error:
                logger.warning("%s cannot be edited any more (%s) and is posted again", item.key, error.code or "gone")
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
                place=error.place,
                retryable=error.retryable,
                retry_after_s=error.retry_after_s,
                outcome_unknown=True,
                # What forbids to look need not forbid to post.
                extent=error.extent if error.extent is Extent.MESSAGE else Extent.UNSURE,
                code=error.code,
                why=error.why,
                advice=error.advice,
            ) from error

    async def _first_post(self, item: OutboxItem, thread: Place | None) -> Place:
        await asyncio.to_thread(self._store.mark_sending, item.key)
        item = self._with_lateness(item)
        try:
            return await self._notifier.post(item, thread)
        except MessageGone:
            if thread is None:
                raise
        return await self._notifier.post(item, await self._renew_thread(item))

    def _with_lateness(self, item: OutboxItem) -> OutboxItem:
        now = self._clock.now()
        if item.ts is not None or item.since is None or not is_late(item, now):
            return item
        why = self._reach.why_late(item.since, self._notifier.where(item))
        if not why:
            why = RESTARTED if item.since < self._started_at else OUTRANKED
        return replace(item, late=Late(now - item.since, why))

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

    async def _reached(self, place: str) -> bool:
        before = self._reach.outage
        is_over = self._reach.worked(place, self._clock.now())
        if is_over and before is not None:
            logger.info("messages are taken again after %.0f s: %s", self._clock.now() - before.began_at, before.why)
            await asyncio.to_thread(self._store.retry_now)
        return is_over

    async def _failed(self, item: OutboxItem, place: str, error: DeliveryError) -> Attempt:
        now, at = self._clock.now(), self._clock.monotonic()
        place = error.place or place
        before = self._reach.outage
        is_over = self._reach.failed(place, item.key, error, now, at)
        outage = self._reach.outage
        # A pause asked for while looking for a message concerns reading, not posting.
        if error.retry_after_s is not None and not error.outcome_unknown:
            self._budget.pause(_call(item, place), error.retry_after_s, at)
        if error.extent in (Extent.CHANNEL, Extent.WORKSPACE):
            # It is not this message's fault, so its patience is not used up.
            next_at: float | None = now + min(self._reach.wait_s(place, at), self._retry.longest_s)
        else:
            next_at = self._retry.next_at(item.attempts, error, now)
        if outage is not None and (before is None or before.why != outage.why):
            logger.error("%s. What must be said waits", error)
        if next_at is None:
            logger.error("%s is given up after %d attempts: %s", item.key, item.attempts + 1, error)
            await asyncio.to_thread(self._store.mark_failed, item.key, str(error))
        else:
            if error.outcome_unknown:
                self._unsettled_until[item.key] = at + next_at - now
            level = logging.WARNING if outage is None else logging.DEBUG
            logger.log(level, "%s is not delivered, next attempt in %.1f s: %s", item.key, next_at - now, error)
            await asyncio.to_thread(
                self._store.mark_retry, item.key, next_at, str(error), outcome_unknown=error.outcome_unknown
            )
        if is_over:
            await asyncio.to_thread(self._store.retry_now)
        if next_at is None:
            return Attempt(Outcome.FAILED, ends_outage=is_over)
        return Attempt(Outcome.RETRY, next_at - now, ends_outage=is_over)


def _call(item: OutboxItem, place: str) -> Call:
    what = importance(item)
    if item.ts is not None:
        return Call(Lane.EDIT, place, item.key, is_urgent=what <= Importance.STATE)
    return Call(Lane.PAGE if what is Importance.PAGE else Lane.POST, place, item.key)
