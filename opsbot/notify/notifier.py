"""What a chat product must be able to do for us: post a message, bring it up to date, and find it again.

The delivery of the outbox is written against this protocol and knows nothing of Slack; errors say what is known of
the outcome, because only a post that surely did not happen may be repeated blindly, and how much fails with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from opsbot.errors import NotifyError
from opsbot.notify.outbox import OutboxItem


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: a channel id and the message's timestamp, which is its id there."""

    channel: str
    ts: str


class Extent(StrEnum):
    """How much fails for the reason of one failure; `unsure` is this message, or everything."""

    MESSAGE = "message"
    UNSURE = "unsure"
    CHANNEL = "channel"
    WORKSPACE = "workspace"


class DeliveryError(NotifyError):
    """A message could not be delivered this time.

    Args:
        retryable: False if the other side refused it for a reason that waiting alone does not cure.
        retry_after_s: the pause the other side asked for.
        outcome_unknown: the call may have been applied although no answer came.
        extent: what else fails for the same reason.
        code: the other side's name of the error; empty where it gave none.
        why: what readers are told of it, a short sentence without a full stop.
        advice: what a person must do about it; empty where waiting is all.
        place: the channel that failed, where it is not the one that was told before the try.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        retry_after_s: float | None = None,
        outcome_unknown: bool = False,
        extent: Extent = Extent.MESSAGE,
        code: str = "",
        why: str = "",
        advice: str = "",
        place: str = "",
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)
        self.outcome_unknown = outcome_unknown
        self.extent = extent
        self.code = code
        self.why = why or message
        self.advice = advice
        self.place = place


class MessageGone(DeliveryError):
    """The message, or the thread it belongs to, is no longer there: somebody deleted it."""


class Notifier(Protocol):
    """Shows an outbox item in one chat product. Every method raises DeliveryError and nothing else on purpose."""

    def where(self, item: OutboxItem) -> str:
        """The channel in which *item* is shown, always by the same name; known without asking anybody."""
        ...

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        """Post the item for the first time, as a reply where *thread* is given; not idempotent.

        Raises: MessageGone if the thread's first message was deleted; DeliveryError, with `outcome_unknown` if the
            post may have been applied.
        """
        ...

    async def update(self, item: OutboxItem, place: Place) -> Place:
        """Make the message at *place* show the item's latest state; may be repeated.

        Raises: MessageGone if it was deleted.
        """
        ...

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        """Where the item already stands, by the key in its metadata; None if it surely does not."""
        ...
