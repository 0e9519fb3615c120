"""Deaths of the process, on purpose: after an act that is not recorded yet, or after each write in turn.

Whoever notices a death raises `Died`, which nobody of the bot catches; until the process is started anew, whatever
touches the store dies too.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

MAX_DEATHS = 1000

_NUMBER = re.compile(r"\d+\.\d+")


class Died(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Deaths:
    """Decides where the process dies; outlives it.

    Args:
        every: after each write and each act, once each.
        steps: after the act of these steps, once each.
    """

    every: bool = False
    steps: frozenset[str] = frozenset()
    places: list[str] = field(default_factory=list)
    error: BaseException | None = None
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    _done: set[str] = field(default_factory=set)
    _is_dead: bool = False

    def after(self, place: str) -> None:
        """Something durable was written; raises Died if that was the end."""
        # Times are left out: what is written again after a death is the same place.
        mark = _NUMBER.sub("#", place)
        if self.every and mark not in self._done and len(self.places) < MAX_DEATHS:
            self._done.add(mark)
            self._die(place)

    def after_act(self, step_id: str, key: str, *, can_be_found: bool) -> None:
        """A step has acted and nothing is written of it; raises Died if that was the end.

        Args:
            can_be_found: whether its outcome can be looked up; one that cannot needs a person, which `every` spares.
        """
        if step_id in self.steps and step_id not in self._done:
            self._done.add(step_id)
            self._die(f"the act of {step_id}")
        if can_be_found:
            self.after(f"act {key}")

    def alive(self) -> None:
        """Raises Died in a process that has died: its other tasks do nothing more."""
        if self._is_dead:
            raise Died

    def revive(self) -> None:
        """A new process begins."""
        self._is_dead = False
        self.happened.clear()

    def ended(self, error: BaseException) -> None:
        """A run's interpretation broke off."""
        if not isinstance(error, Died):
            self.error = error
        self.happened.set()

    def _die(self, place: str) -> None:
        self.places.append(place)
        self._is_dead = True
        self.happened.set()
        raise Died(place)
