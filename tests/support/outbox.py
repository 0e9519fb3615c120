"""An outbox in memory, and a clock that tests move by hand.

The outbox keeps the contract of opsbot.notify.outbox.OutboxStore and may be called from several threads; it outlives
the objects that deliver from it, as a database outlives a process.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from opsbot.notify.outbox import OutboxItem, OutboxKind, OutboxState


class ManualClock:
    """Time that moves only when told."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move both clocks."""
        self._now += seconds


class MemoryOutbox:
    """Implements opsbot.notify.outbox.OutboxStore."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, OutboxItem] = {}

    def wish(self, kind: OutboxKind, ref: str, incident_id: str) -> str:
        """Wish that *ref* be shown, or shown anew; answers the item's key."""
        key = f"incident:{ref}" if kind == "incident_message" else f"timeline:{ref}"
        with self._lock:
            known = self._items.get(key)
            if known is None:
                self._items[key] = OutboxItem(
                    key, kind, ref, incident_id, 1, 0, OutboxState.PENDING, None, None, 0, next_at=0.0
                )
            else:
                self._items[key] = replace(known, revision=known.revision + 1)
        return key

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        with self._lock:
            due = [
                item
                for item in self._items.values()
                if item.revision > item.delivered_revision
                and item.next_at <= now
                and item.state is not OutboxState.FAILED
            ]
        return tuple(sorted(due, key=lambda item: item.kind != "incident_message")[:limit])

    def item(self, key: str) -> OutboxItem | None:
        with self._lock:
            return self._items.get(key)

    def mark_sending(self, key: str) -> None:
        self._change(key, state=OutboxState.SENDING)

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        self._change(
            key,
            state=OutboxState.DELIVERED,
            delivered_revision=revision,
            channel=channel,
            ts=ts,
            attempts=0,
            last_error=None,
        )

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        with self._lock:
            item = self._items[key]
            state = item.state
            if not outcome_unknown and state is OutboxState.SENDING:
                state = OutboxState.PENDING
            self._items[key] = replace(item, state=state, next_at=next_at, last_error=error, attempts=item.attempts + 1)

    def mark_failed(self, key: str, error: str) -> None:
        self._change(key, state=OutboxState.FAILED, last_error=error)

    def _change(self, key: str, **changes: object) -> None:
        with self._lock:
            self._items[key] = replace(self._items[key], **changes)  # type: ignore[arg-type]
