"""How long a response URL lasts."""

from __future__ import annotations

import pytest

from opsbot.workspace.response_url import LIFE_S, MAX_KEPT, ResponseUrls, Source
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.whisper import Whispers
from tests.support.page_user import workspace_settings


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_it_lasts_half_an_hour_and_the_oldest_go_first() -> None:
    """Then it has expired; so it has when there are too many."""
    clock = Clock()
    state = WorkspaceState(workspace_settings())
    urls = ResponseUrls(state, Whispers(state), lambda name: False, clock)
    source = Source("C0OPS", "U0ONCALL")
    ticket = urls.issue("http://x", source).rpartition("/")[2]
    clock.now = LIFE_S
    urls.use(ticket, {"text": "x"})
    clock.now += 1
    with pytest.raises(SlackError, match="expired_url"):
        urls.use(ticket, {"text": "x"})
    first = urls.issue("http://x", source).rpartition("/")[2]
    for _ in range(MAX_KEPT):
        urls.issue("http://x", source)
    with pytest.raises(SlackError, match="expired_url"):
        urls.use(first, {"text": "x"})
