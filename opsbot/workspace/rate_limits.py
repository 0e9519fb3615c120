"""Slack's rate limits, for who wants them on: so many calls a minute for each method, with short bursts.

The tiers stand in docs.slack.dev/apis/web-api/rate-limits. Slack does not say how large a burst may be; here it is a
quarter of a minute's calls, and for chat.postMessage five messages.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """*per_minute* calls in the long run, *burst* of them at once."""

    per_minute: float
    burst: int


TIER_2 = Rate(20, 5)
TIER_3 = Rate(50, 12)
TIER_4 = Rate(100, 25)
POSTS = Rate(60, 5)
"""chat.postMessage: one a second, for each channel."""

RATES = {
    "api.test": TIER_4,
    "apps.connections.open": Rate(1, 3),
    "auth.test": Rate(300, 60),
    "bookmarks.add": TIER_2,
    "bookmarks.list": TIER_3,
    "bots.info": TIER_3,
    "chat.delete": TIER_3,
    "chat.getPermalink": Rate(300, 60),
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": POSTS,
    "chat.update": TIER_3,
    "conversations.archive": TIER_2,
    "conversations.create": TIER_2,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.invite": TIER_3,
    "conversations.join": TIER_3,
    "conversations.kick": TIER_3,
    "conversations.leave": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.rename": TIER_2,
    "conversations.replies": TIER_3,
    "conversations.setPurpose": TIER_2,
    "conversations.setTopic": TIER_2,
    "conversations.unarchive": TIER_2,
    "emoji.list": TIER_2,
    "files.completeUploadExternal": TIER_4,
    "files.delete": TIER_3,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "files.list": TIER_3,
    "pins.add": TIER_2,
    "pins.list": TIER_2,
    "pins.remove": TIER_2,
    "reactions.add": TIER_3,
    "reactions.get": TIER_3,
    "reactions.remove": TIER_2,
    "team.info": TIER_3,
    "usergroups.list": TIER_2,
    "usergroups.users.list": TIER_2,
    "users.conversations": TIER_3,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.lookupByEmail": TIER_3,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.push": TIER_4,
    "views.update": TIER_4,
}
PER_CHANNEL = frozenset({"chat.postMessage"})


class RateLimits:
    """Whether a call may go ahead now; the next moment at which each key is free is all that is kept.

    Args:
        now_s: a clock that only goes forward, in seconds.
    """

    def __init__(self, *, is_on: bool = False, now_s: Callable[[], float] = time.monotonic) -> None:
        self.is_on = is_on
        self._now_s = now_s
        self._free_at: dict[tuple[str, str], float] = {}

    def take(self, method: str, channel: str) -> int | None:
        """Count a call; answers after how many whole seconds to try again if it comes too soon, which counts not."""
        if not self.is_on:
            return None
        rate, now = RATES.get(method, TIER_3), self._now_s()
        key = (method, channel if method in PER_CHANNEL else "")
        step_s = 60.0 / rate.per_minute
        free_at = max(now, self._free_at.pop(key, now))
        wait_s = free_at - now - (rate.burst - 1) * step_s
        if wait_s > 1e-9:
            self._free_at[key] = free_at
            return max(1, math.ceil(wait_s))
        self._free_at[key] = free_at + step_s
        while len(self._free_at) > MAX_KEYS:
            del self._free_at[next(iter(self._free_at))]
        return None
