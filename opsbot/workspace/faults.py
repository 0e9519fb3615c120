"""Trouble on demand, so that a bot can be tested against what Slack does on a bad day."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call: a status, an error of Slack's, a delay, or an answer lost after it took effect."""

    status: int = 0
    retry_after_s: int = 1
    delay_s: float = 0.0
    drop_answer: bool = False
    error: str = ""


class Faults:
    """The faults that wait, by method."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}

    def add(self, method: str, fault: Fault, count: int = 1) -> None:
        """The next *count* calls of *method* meet *fault*."""
        self._waiting.setdefault(method, deque()).extend([fault] * count)

    def take(self, method: str) -> Fault | None:
        """The next fault of *method*, used up by being asked for."""
        waiting = self._waiting.get(method)
        return waiting.popleft() if waiting else None
