"""Trouble on demand, so that a bot can be tested against what Slack does on a bad day."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

MAX_WAITING = 10_000
"""Faults that wait for one method."""
EVERY_METHOD = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call.

    Args:
        status: the answer's HTTP status; 0 for the usual one. The call has no effect then.
        retry_after_s: what a 429 says.
        delay_s: how long the call waits before it is carried out.
        drop_answer: the call takes effect, and its answer is lost.
        error: the answer is Slack's error of that name, such as `channel_not_found`, and the call has no effect.
    """

    status: int = 0
    retry_after_s: int = 1
    delay_s: float = 0.0
    drop_answer: bool = False
    error: str = ""


class Faults:
    """The faults that wait, by method; `*` means whatever is called next."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}

    def add(self, method: str, fault: Fault, count: int = 1) -> None:
        """The next *count* calls of *method* meet *fault*."""
        self._waiting.setdefault(method, deque(maxlen=MAX_WAITING)).extend([fault] * min(count, MAX_WAITING))

    def take(self, method: str) -> Fault | None:
        """The next fault of *method*, used up by being asked for."""
        for name in (method, EVERY_METHOD):
            waiting = self._waiting.get(name)
            if waiting:
                return waiting.popleft()
        return None

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()

    def waiting(self) -> Mapping[str, int]:
        """How many wait, by method."""
        return {method: len(waiting) for method, waiting in self._waiting.items() if waiting}
