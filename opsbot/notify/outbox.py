"""The outbox: what must still be said, kept durably until it has been.

An item names *what* to show (an incident's message, a timeline entry), never the rendered text, so edits of one
message merge by themselves: the latest state wins. `sending` is written before the call, so that after a crash the
outcome is probed and not blindly repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

OutboxKind = Literal["incident_message", "timeline_entry", "notice", "page", "page_entry", "load_test", "report"]
SLACK_KINDS: tuple[OutboxKind, ...] = ("incident_message", "timeline_entry", "notice", "load_test", "report")
REPORT_KINDS: tuple[OutboxKind, ...] = ("load_test", "report")
"""What is told in the channel of `utilisation`, not in that of incidents."""
PAGE_KINDS: tuple[OutboxKind, ...] = ("page", "page_entry")
"""Each channel takes its own kinds, with a worker and a budget of its own."""


class OutboxState(StrEnum):
    """`sending` means a first post was begun and its outcome is not recorded."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Late:
    """That something is said later than it was so.

    Args:
        by_s: seconds.
        why: a short sentence without a full stop; empty where nobody knows.
    """

    by_s: float
    why: str


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One message to deliver or to bring up to date.

    Args:
        key: unique: `incident:<id>`, `timeline:<entry key>`, `notice:<key>`, `page:<id>` or `page_entry:<entry key>`;
            also written into the message's metadata.
        ref: incident id, or the key of a timeline entry or notice.
        incident_id: the incident it belongs to; empty for a notice.
        revision: counts the wishes to show it; an item is due while it is greater than `delivered_revision`.
        channel, ts: where it was delivered, None before; of a page, what was sent last.
        next_at: not before that time (back-off), seconds since the epoch.
        severity, is_over: of its incident; over is resolved, or dealt with under another.
        asks: whether somebody is asked to decide, or is woken.
        is_broadcast: whether the channel is to see it, not only a thread.
        since: when what it says became so, seconds since the epoch; None where that is not known.
        carried: refs of the timeline entries that this one message says too, oldest first.
        late: filled in by the delivery when it is late.
    """

    key: str
    kind: OutboxKind
    ref: str
    incident_id: str
    revision: int
    delivered_revision: int
    state: OutboxState
    channel: str | None
    ts: str | None
    attempts: int
    next_at: float
    last_error: str | None = None
    severity: str | None = None
    is_over: bool = False
    asks: bool = False
    is_broadcast: bool = False
    since: float | None = None
    carried: tuple[str, ...] = ()
    late: Late | None = None

    @property
    def is_first(self) -> bool:
        """Whether it was never shown."""
        return self.ts is None


class OutboxStore(Protocol):
    """The durable side of the outbox; every method commits before it returns. Called from a thread."""

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        """Items whose revision is ahead of what was delivered and whose back-off has passed, oldest first.

        An incident's own message comes before its timeline entries, which are in order; behind one whose back-off
        has not passed, none is due. Also items left in `sending` by a crash. What another item carries is not due.
        """
        ...

    def item(self, key: str) -> OutboxItem | None:
        """One item."""
        ...

    def carry(self, key: str, carried: Sequence[str]) -> OutboxItem:
        """From now on the message of *key* says what the items *carried* were to say, which then need none.

        Recorded before the message is posted, so that after a crash it stands for the same ones.
        """
        ...

    def mark_sending(self, key: str) -> None:
        """Written before a first post."""
        ...

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        """The message stands at (channel, ts) and shows *revision*, and whatever it carries."""
        ...

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        """Try again at *next_at*; with outcome_unknown the item stays `sending`, so the next try probes first."""
        ...

    def mark_failed(self, key: str, error: str) -> None:
        """Given up: a person must look; the reason is kept. What it carried is due again, each by itself."""
        ...

    def retry_now(self) -> None:
        """What kept anything from being said is over: no back-off holds what waits."""
        ...
