"""Triggers: a person's press lets the app open one view for that person, soon after."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.workspace.state import SlackError

MAX_TRIGGERS = 1_000


@dataclass(slots=True)
class _Trigger:
    user_id: str
    expires_at: float
    is_used: bool = False


class Triggers:
    """Hands out triggers and takes each back once.

    Args:
        life_s: how long one is good for.
        now: a monotonic clock in seconds.
    """

    def __init__(self, life_s: float, now: Callable[[], float]) -> None:
        self._life_s = life_s
        self._now = now
        self._made: dict[str, _Trigger] = {}

    def issue(self, user_id: str) -> str:
        """A fresh trigger of that person's press."""
        made = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._made[made] = _Trigger(user_id, self._now() + self._life_s)
        if len(self._made) > MAX_TRIGGERS:
            del self._made[next(iter(self._made))]
        return made

    def check(self, trigger_id: str) -> str:
        """Whose press it is. Raises: SlackError `invalid_trigger_id`, `exchanged_…` or `expired_trigger_id`."""
        trigger = self._made.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.is_used:
            raise SlackError("exchanged_trigger_id")
        if self._now() > trigger.expires_at:
            raise SlackError("expired_trigger_id")
        return trigger.user_id

    def exchange(self, trigger_id: str) -> str:
        """The same, and the trigger is used up."""
        user_id = self.check(trigger_id)
        self._made[trigger_id].is_used = True
        return user_id
