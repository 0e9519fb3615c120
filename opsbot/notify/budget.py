"""How often we may speak: one edit a second per message, a steady rate of posts, and a pause when asked for one.

Pure but for its own counters; time is passed in. Pages, the first post of an incident, have their own lane: they are
held by a pause that the other side demanded and by their own rate, never by the rate of lesser messages.
"""

from __future__ import annotations

from enum import StrEnum

EDIT_INTERVAL_S = 1.0
"""Edits of one message closer than this are merged: the later one shows the latest state anyway."""
POSTS_PER_S = 1.0
"""Slack, "Rate limits": chat.postMessage allows one message per second per channel, with short bursts."""
POST_BURST = 10
PAGES_PER_S = 1.0
PAGE_BURST = 20
"""A night has fewer incidents at once; more of them come one by one, the worst first."""
EDITS_PER_S = 50 / 60
"""Slack, "Rate limits": chat.update is in Tier 3, 50 calls a minute, with short bursts."""
EDIT_BURST = 15


class Lane(StrEnum):
    """What kind of call a delivery is; each has its own allowance."""

    PAGE = "page"
    POST = "post"
    EDIT = "edit"


class _Allowance:
    """A token bucket."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at: float | None = None

    def take(self, now: float) -> bool:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def owe(self) -> None:
        """Somebody else made a call that counts here too; up to a minute's calls are owed."""
        self._tokens = max(self._tokens - 1.0, -60.0 * self._per_s)


class Budget:
    """Says whether a call may be made now, and counts it if so. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._allowances = {
            Lane.PAGE: _Allowance(PAGES_PER_S, PAGE_BURST),
            Lane.POST: _Allowance(POSTS_PER_S, POST_BURST),
            Lane.EDIT: _Allowance(EDITS_PER_S, EDIT_BURST),
        }
        self._edited_at: dict[str, float] = {}
        self._paused_until: dict[bool, float] = {}

    def allows(self, lane: Lane, key: str, now: float) -> bool:
        """Whether the message *key* may use *lane* now; a True answer spends the allowance."""
        if now < self._paused_until.get(lane is Lane.EDIT, 0.0):
            return False
        if lane is Lane.EDIT and now - self._edited_at.get(key, -EDIT_INTERVAL_S) < EDIT_INTERVAL_S:
            return False
        if not self._allowances[lane].take(now):
            return False
        if lane is Lane.PAGE:
            # Slack counts both alike: replies wait while a storm is told.
            self._allowances[Lane.POST].owe()
        if lane is Lane.EDIT:
            self._edited_at[key] = now
            self._forget(now)
        return True

    def pause(self, lane: Lane, seconds: float, now: float) -> None:
        """Make no call of that kind for a while; pages and replies are the same call, so they pause together."""
        is_edit = lane is Lane.EDIT
        self._paused_until[is_edit] = max(self._paused_until.get(is_edit, 0.0), now + seconds)

    def _forget(self, now: float) -> None:
        if len(self._edited_at) > 1000:
            self._edited_at = {key: at for key, at in self._edited_at.items() if now - at < EDIT_INTERVAL_S}
