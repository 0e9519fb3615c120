"""Conversations as a client keeps them: what was asked and what came back, sent along with the next turn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

MOST_KEPT = 10_000
"""Conversations kept; the oldest is forgotten first, as its user has long gone."""

Message = dict[str, str]


@dataclass(slots=True)
class Talk:
    """One conversation; whoever holds the lock takes its turn."""

    messages: list[Message] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Talks:
    """All conversations of a run."""

    def __init__(self) -> None:
        self._talks: dict[str, Talk] = {}

    def get(self, name: str) -> Talk:
        """The conversation *name*, begun if it is new."""
        talk = self._talks.pop(name, None) or Talk()
        self._talks[name] = talk
        if len(self._talks) > MOST_KEPT:
            del self._talks[next(iter(self._talks))]
        return talk
