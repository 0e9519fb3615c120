"""Slack's rate limits: so many calls a minute, with bursts."""

from __future__ import annotations

from opsbot.workspace.rate_limits import RateLimits


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limits: RateLimits, method: str, count: int, channel: str = "C1") -> list[int | None]:
    """What so many calls at once are told."""
    return [limits.take(method, channel) for _ in range(count)]


def test_they_are_off_unless_asked_for() -> None:
    """Any number of calls goes."""
    assert set(taken(RateLimits(), "chat.update", 1000)) == {None}


def test_messages_of_a_channel_come_once_a_second_after_a_burst() -> None:
    """Five at once; another channel has its own count."""
    clock = Clock()
    limits = RateLimits(is_on=True, now_s=clock)
    assert taken(limits, "chat.postMessage", 7) == [None] * 5 + [1, 1]
    assert limits.take("chat.postMessage", "C2") is None
    clock.now += 1
    assert taken(limits, "chat.postMessage", 2) == [None, 1]
    clock.now += 60
    assert taken(limits, "chat.postMessage", 6) == [None] * 5 + [1]


def test_edits_come_fifty_a_minute_whatever_the_channel() -> None:
    """Tier 3: in the long run 50, and no more at once than a quarter of that."""
    clock = Clock()
    limits = RateLimits(is_on=True, now_s=clock)
    passed = 0
    for _ in range(600):
        passed += limits.take("chat.update", "C1") is None
        clock.now += 0.1
    assert 50 <= passed <= 62
    assert taken(RateLimits(is_on=True, now_s=clock), "chat.update", 13) == [None] * 12 + [2]


def test_who_waits_as_told_gets_through() -> None:
    """Retry-After is long enough, to the second."""
    clock = Clock()
    limits = RateLimits(is_on=True, now_s=clock)
    for method in ("conversations.list", "chat.update", "users.info", "apps.connections.open", "not.listed"):
        wait_s = next(wait for wait in taken(limits, method, 1000) if wait)
        clock.now += wait_s
        assert limits.take(method, "") is None
