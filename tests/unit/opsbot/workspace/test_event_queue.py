"""Which events are sent, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from opsbot.workspace.app_settings import AppSettings
from opsbot.workspace.delivery import FAILED, Kind, Retry, Undelivered
from opsbot.workspace.event_queue import MAX_UNDER_WAY, EventQueue

MENTION = {"type": "app_mention", "channel": "C1", "user": "U1"}


class Deaf:
    """A way to the app on which the first *failures* deliveries of everything fail."""

    is_connected = True

    def __init__(self, failures: int = 0, *, may_retry: bool = True) -> None:
        self.sent: list[tuple[Mapping[str, Any], Retry | None]] = []
        self._failures = failures
        self._may_retry = may_retry

    async def send(self, kind: Kind, payload: Mapping[str, Any], retry: Retry | None = None) -> dict[str, Any]:
        """Fails, or not."""
        assert kind == "events_api"
        self.sent.append((payload, retry))
        if len(self.sent) <= self._failures:
            raise Undelivered(FAILED, "http_error", may_retry=self._may_retry)
        return {}

    async def close(self) -> None:
        """Nothing."""


def settings(*retries_s: float, events: tuple[str, ...] = ("app_mention", "message.channels")) -> AppSettings:
    """An app that wants these events."""
    return AppSettings(event_retries_s=retries_s, events=events)


async def settle() -> None:
    """Let everything happen that needs no time."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("event", "is_sent"),
    [
        (MENTION, True),
        ({"type": "message", "channel_type": "channel", "channel": "C1"}, True),
        ({"type": "message", "channel_type": "group", "channel": "G1"}, False),
        ({"type": "message", "channel_type": "mpim", "channel": "G1"}, False),
        ({"type": "reaction_added", "user": "U1"}, False),
    ],
)
async def test_only_what_the_app_subscribed_to_is_sent(event: dict[str, Any], is_sent: bool) -> None:
    """Messages by the kind of their channel."""
    way = Deaf()
    EventQueue(way, settings(), "token").emit(event)
    await settle()
    assert bool(way.sent) == is_sent


async def test_a_refused_event_is_sent_again_under_its_id() -> None:
    """With the attempt and the reason, until it is taken."""
    way = Deaf(failures=2)
    EventQueue(way, settings(0.0, 0.0, 0.0), "token").emit(MENTION)
    await settle()
    assert [retry for _, retry in way.sent] == [None, Retry(1, "http_error"), Retry(2, "http_error")]
    assert len({payload["event_id"] for payload, _ in way.sent}) == 1


async def test_an_event_is_given_up_after_the_last_retry_or_when_none_is_wanted() -> None:
    """And it is sent no more."""
    deaf, rude = Deaf(failures=9), Deaf(failures=9, may_retry=False)
    for way in (deaf, rude):
        EventQueue(way, settings(0.0, 0.0), "token").emit(MENTION)
    await settle()
    assert (len(deaf.sent), len(rude.sent)) == (3, 1)


async def test_what_is_under_way_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    """A dead app does not fill the memory: further events are dropped, and the log says so."""
    way = Deaf(failures=10 * MAX_UNDER_WAY)
    queue = EventQueue(way, settings(60.0), "token")
    for _ in range(MAX_UNDER_WAY + 3):
        queue.emit(MENTION)
    await settle()
    assert len(way.sent) == MAX_UNDER_WAY
    assert caplog.text.count("an event of type app_mention is dropped") == 3
    await queue.close()


def test_an_event_that_there_is_not_cannot_be_subscribed_to() -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match="unknown events team_rename; there are app_home_opened, "):
        AppSettings(events=("team_rename",))
