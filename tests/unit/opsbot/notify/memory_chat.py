"""A chat in memory that can fail before or after applying a call, for tests of the delivery's logic alone."""

from __future__ import annotations

from opsbot.notify.notifier import DeliveryError, MessageGone, Place
from opsbot.notify.outbox import OutboxItem


class MemoryChat:
    """Implements opsbot.notify.notifier.Notifier.

    `before` errors are raised instead of the call, `after` errors once it has been applied; each list is used up.
    """

    def __init__(self) -> None:
        self.messages: dict[str, tuple[str, str | None]] = {}
        self.edits: list[str] = []
        self.calls: list[str] = []
        self.before: dict[str, list[DeliveryError]] = {"post": [], "update": [], "find": []}
        self.after: dict[str, list[DeliveryError]] = {"post": [], "update": [], "find": []}
        self._count = 0

    def keys(self) -> list[str]:
        """The keys of the messages that stand, in the order of posting."""
        return [key for key, _ in self.messages.values()]

    def delete(self, key: str) -> None:
        """As somebody with the right to would."""
        self.messages = {ts: message for ts, message in self.messages.items() if message[0] != key}

    def where(self, item: OutboxItem) -> str:
        return "C1"

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        self._start("post", item)
        if thread is not None and thread.ts not in self.messages:
            raise MessageGone("the thread is gone", retryable=False)
        self._count += 1
        ts = f"{self._count}.0"
        self.messages[ts] = (item.key, None if thread is None else thread.ts)
        self._end("post")
        return Place("C1", ts)

    async def update(self, item: OutboxItem, place: Place) -> Place:
        self._start("update", item)
        if place.ts not in self.messages:
            raise MessageGone("the message is gone", retryable=False)
        self.edits.append(item.key)
        self._end("update")
        return place

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        self._start("find", item)
        found = next((Place("C1", ts) for ts, (key, _) in self.messages.items() if key == item.key), None)
        self._end("find")
        return found

    def _start(self, method: str, item: OutboxItem) -> None:
        self.calls.append(f"{method} {item.key}")
        if self.before[method]:
            raise self.before[method].pop(0)

    def _end(self, method: str) -> None:
        if self.after[method]:
            raise self.after[method].pop(0)
