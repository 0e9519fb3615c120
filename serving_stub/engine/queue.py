"""Who waits, by priority class: the better class first, first come first within a class, and no class starves.

A class is a number; smaller is better, as in vLLM's `priority`. While a worse class waits, every SHARE-th admission
goes to whoever has waited longest outside the best class, so a flood of good requests slows the others but never
stops them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from serving_stub.engine.sequence import Sequence

SHARE = 8


class WaitingQueue:
    """Sequences that are not running."""

    def __init__(self) -> None:
        self._classes: dict[int, deque[Sequence]] = {}
        self._num_better = 0

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    def __bool__(self) -> bool:
        return bool(self._classes)

    def __iter__(self) -> Iterator[Sequence]:
        """Everybody, the best class first."""
        for priority in sorted(self._classes):
            yield from self._classes[priority]

    def add(self, seq: Sequence) -> None:
        """Queue a newcomer behind its class."""
        self._classes.setdefault(seq.priority, deque()).append(seq)

    def put_back(self, seq: Sequence) -> None:
        """Queue somebody who was preempted, at the head of its class."""
        self._classes.setdefault(seq.priority, deque()).appendleft(seq)

    def peek(self) -> Sequence:
        """Whose turn it is."""
        return self._classes[self._turn()][0]

    def pop(self) -> Sequence:
        """Take out whose turn it is."""
        priority = self._turn()
        is_best = priority == min(self._classes)
        self._num_better = self._num_better + 1 if is_best and len(self._classes) > 1 else 0
        return self._take(priority, 0)

    def remove(self, seq: Sequence) -> None:
        """Take somebody out who is not served any more."""
        self._take(seq.priority, self._classes[seq.priority].index(seq))

    def _turn(self) -> int:
        best = min(self._classes)
        if self._num_better < SHARE - 1 or len(self._classes) == 1:
            return best
        return min(self._classes.keys() - {best}, key=lambda priority: self._classes[priority][0].arrived_at)

    def _take(self, priority: int, index: int) -> Sequence:
        waiting = self._classes[priority]
        seq = waiting[index]
        del waiting[index]
        if not waiting:
            del self._classes[priority]
        return seq
