"""An outbox in memory, and a clock that tests move by hand.

The outbox keeps the contract of opsbot.notify.outbox.OutboxStore and may be called from several threads; it outlives
the objects that deliver from it, as a database outlives a process.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
        self._carried_by: dict[str, str] = {}

    def wish(self, kind: OutboxKind, ref: str, incident_id: str, **facts: Any) -> str:
        """Wish that *ref* be shown, or shown anew; answers the item's key. *facts* are fields of the item."""
        prefix = {"incident_message": "incident", "timeline_entry": "timeline"}.get(kind, kind)
        key = f"{prefix}:{ref}"
        with self._lock:
            known = self._items.get(key)
            if known is None:
                new = OutboxItem(key, kind, ref, incident_id, 1, 0, OutboxState.PENDING, None, None, 0, next_at=0.0)
                self._items[key] = replace(new, **facts)
            else:
                self._items[key] = replace(known, revision=known.revision + 1, **facts)
        return key

    def due(self, now: float, limit: int = 50) -> tuple[OutboxItem, ...]:
        with self._lock:
            behind = [
                self._shown(item)
                for item in self._items.values()
                if item.revision > item.delivered_revision
                and item.state is not OutboxState.FAILED
                and item.key not in self._carried_by
            ]
        due: list[OutboxItem] = []
        held: set[str] = set()
        for item in sorted(behind, key=lambda item: item.kind != "incident_message"):
            is_entry = item.kind == "timeline_entry"
            if item.next_at <= now and not (is_entry and item.incident_id in held):
                due.append(item)
            elif is_entry:
                held.add(item.incident_id)
        return tuple(due[:limit])

    def item(self, key: str) -> OutboxItem | None:
        with self._lock:
            item = self._items.get(key)
            return None if item is None else self._shown(item)

    def carry(self, key: str, carried: Sequence[str]) -> OutboxItem:
        with self._lock:
            for other in carried:
                item = self._items[other]
                if other not in self._carried_by and item.state is OutboxState.PENDING and item.ts is None:
                    self._carried_by[other] = key
            return self._shown(self._items[key])

    def mark_sending(self, key: str) -> None:
        self._change(key, state=OutboxState.SENDING)

    def mark_delivered(self, key: str, revision: int, channel: str, ts: str) -> None:
        said = {"state": OutboxState.DELIVERED, "channel": channel, "ts": ts, "attempts": 0, "last_error": None}
        self._change(key, delivered_revision=revision, **said)
        for other, leader in self._carried_by.items():
            if leader == key:
                self._change(other, delivered_revision=self._items[other].revision, **said)

    def mark_retry(self, key: str, next_at: float, error: str, *, outcome_unknown: bool) -> None:
        state = OutboxState.SENDING if outcome_unknown else OutboxState.PENDING
        attempts = self._items[key].attempts + 1
        self._change(key, state=state, next_at=next_at, last_error=error, attempts=attempts)

    def mark_failed(self, key: str, error: str) -> None:
        self._change(key, state=OutboxState.FAILED, last_error=error)
        self._carried_by = {other: leader for other, leader in self._carried_by.items() if leader != key}

    def retry_now(self) -> None:
        with self._lock:
            self._items = {key: replace(item, next_at=0.0) for key, item in self._items.items()}

    def _shown(self, item: OutboxItem) -> OutboxItem:
        carried = tuple(self._items[other].ref for other, leader in self._carried_by.items() if leader == item.key)
        return replace(item, carried=carried) if carried else item

    def _change(self, key: str, **changes: Any) -> None:
        with self._lock:
            self._items[key] = replace(self._items[key], **changes)
