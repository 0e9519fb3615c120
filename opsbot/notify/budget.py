"""How often we may speak: by method and by channel, with a lane for pages, and a pause where one was asked for.

Pure but for its own counters; time is passed in. What one channel says never keeps another one silent: each has an
allowance of its own, and of what all share a part is kept for what is urgent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EDIT_INTERVAL_S = 1.0
MESSAGE_EDIT_BURST = 2
"""Edits of one message closer than that are merged: the later one shows the latest state anyway. Two may follow each
other at once, so that what a person does just after the bot's own edit is shown without a wait."""
POSTS_PER_S = 1.0
"""Slack, "Rate limits": chat.postMessage allows one message per second per channel, with short bursts."""
POST_BURST = 10
PAGES_PER_S = 1.0
PAGE_BURST = 20
"""A night has fewer incidents at once; more of them come one by one, the worst first."""
ALL_POSTS_PER_S = 4.0
"""Slack, "Rate limits": beside that, several hundred messages a minute in a whole workspace."""
ALL_POSTS_BURST = 40
KEPT_FOR_PAGES = 20.0
"""Of the workspace's allowance; only first posts of incidents may use these."""
EDITS_PER_S = 50 / 60
"""Slack, "Rate limits": chat.update is in Tier 3, 50 calls a minute, with short bursts."""
EDIT_BURST = 15
KEPT_FOR_URGENT_EDITS = 5.0
OTHER_BURST_S = 12.0
"""Other methods may burst by what they are allowed in so many seconds."""
MOST_CHANNELS = 500
MOST_MESSAGES = 1000
MOST_OWED_S = 60.0


class Lane(StrEnum):
    """What kind of call a delivery is; each has its own allowance. `other` is any further method."""

    PAGE = "page"
    POST = "post"
    EDIT = "edit"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is to be made.

    Args:
        place: the channel's name or id, always the same one for a channel; empty for what concerns none.
        key: of the message, for edits; the method's name in the lane `other`.
        is_urgent: may use what is kept of a shared allowance.
    """

    lane: Lane
    place: str = ""
    key: str = ""
    is_urgent: bool = False


class _Allowance:
    """A token bucket that may owe."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def wait_s(self, now: float, kept: float = 0.0) -> float:
        """Seconds until a call may be made that leaves *kept* calls to others; 0 if now."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
        self._at = now
        lacks = 1.0 + kept - self._tokens
        # A billionth of a call is what rounding makes of a whole one.
        return lacks / self._per_s if lacks > 1e-9 else 0.0

    def spend(self) -> None:
        """A call is made, perhaps on account of another allowance; a minute's calls may be owed."""
        self._tokens = max(self._tokens - 1.0, -MOST_OWED_S * self._per_s)


class _Channel:
    """The allowances of one channel."""

    def __init__(self) -> None:
        self.pages = _Allowance(PAGES_PER_S, PAGE_BURST)
        self.posts = _Allowance(POSTS_PER_S, POST_BURST)


class Budget:
    """Says when a call may be made, and counts those that are. Times are monotonic seconds.

    Args:
        per_minute: how often a minute each further method may be called; methods without a number are free.
    """

    def __init__(self, per_minute: Mapping[str, float] | None = None) -> None:
        self._per_minute = dict(per_minute or {})
        self._channels: OrderedDict[str, _Channel] = OrderedDict()
        self._all_posts = _Allowance(ALL_POSTS_PER_S, ALL_POSTS_BURST)
        self._edits = _Allowance(EDITS_PER_S, EDIT_BURST)
        self._others: dict[str, _Allowance] = {}
        self._messages: OrderedDict[str, _Allowance] = OrderedDict()
        self._paused_until: dict[str, float] = {}

    def wait_s(self, call: Call, now: float) -> float:
        """Seconds until *call* may be made; 0 if now. Spends nothing."""
        waits = [self._paused_until.get(_pause_key(call), 0.0) - now, 0.0]
        match call.lane:
            case Lane.EDIT:
                waits.append(self._message(call.key).wait_s(now))
                waits.append(self._edits.wait_s(now, 0.0 if call.is_urgent else KEPT_FOR_URGENT_EDITS))
            case Lane.PAGE:
                waits.append(self._channel(call.place).pages.wait_s(now))
                waits.append(self._all_posts.wait_s(now))
            case Lane.POST:
                waits.append(self._channel(call.place).posts.wait_s(now))
                waits.append(self._all_posts.wait_s(now, KEPT_FOR_PAGES))
            case Lane.OTHER:
                allowance = self._other(call.key)
                waits.append(0.0 if allowance is None else allowance.wait_s(now))
        return max(waits)

    def spend(self, call: Call, now: float) -> None:
        """*call* is made now."""
        match call.lane:
            case Lane.EDIT:
                self._edits.spend()
                self._message(call.key).spend()
            case Lane.PAGE | Lane.POST:
                channel = self._channel(call.place)
                # Slack counts both alike: replies wait while a storm is told.
                channel.posts.spend()
                if call.lane is Lane.PAGE:
                    channel.pages.spend()
                self._all_posts.spend()
            case Lane.OTHER:
                allowance = self._other(call.key)
                if allowance is not None:
                    allowance.spend()

    def allows(self, call: Call, now: float) -> bool:
        """Whether *call* may be made now; a True answer spends the allowance."""
        if self.wait_s(call, now) > 0:
            return False
        self.spend(call, now)
        return True

    def pause(self, call: Call, seconds: float, now: float) -> None:
        """Make no call of that kind for a while.

        A post pauses its channel, pages and replies alike, since they are the same method; an edit or another method
        pauses that method.
        """
        key = _pause_key(call)
        self._paused_until[key] = max(self._paused_until.get(key, 0.0), now + seconds)
        if len(self._paused_until) > MOST_CHANNELS:
            self._paused_until = {key: until for key, until in self._paused_until.items() if now < until}

    def _channel(self, place: str) -> _Channel:
        known = self._channels.get(place)
        if known is None:
            known = self._channels[place] = _Channel()
        self._channels.move_to_end(place)
        if len(self._channels) > MOST_CHANNELS:
            self._channels.popitem(last=False)
        return known

    def _message(self, key: str) -> _Allowance:
        known = self._messages.get(key)
        if known is None:
            known = self._messages[key] = _Allowance(1 / EDIT_INTERVAL_S, MESSAGE_EDIT_BURST)
        self._messages.move_to_end(key)
        if len(self._messages) > MOST_MESSAGES:
            self._messages.popitem(last=False)
        return known

    def _other(self, method: str) -> _Allowance | None:
        per_minute = self._per_minute.get(method)
        if per_minute is None:
            return None
        if method not in self._others:
            burst = max(1.0, per_minute * OTHER_BURST_S / 60.0)
            self._others[method] = _Allowance(per_minute / 60.0, burst)
        return self._others[method]


def _pause_key(call: Call) -> str:
    match call.lane:
        case Lane.EDIT:
            return "edit"
        case Lane.OTHER:
            return f"other {call.key}"
        case _:
            return f"post {call.place}"
