"""Triggers open one view, soon."""

from __future__ import annotations

import pytest

from opsbot.workspace.state import SlackError
from opsbot.workspace.trigger import MAX_TRIGGERS, Triggers


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_a_trigger_is_good_for_one_exchange() -> None:
    """And checking does not use it up."""
    triggers = Triggers(3.0, Time())
    made = triggers.issue("U1")
    assert (triggers.check(made), triggers.exchange(made)) == ("U1", "U1")
    with pytest.raises(SlackError, match="exchanged_trigger_id"):
        triggers.exchange(made)


@pytest.mark.parametrize(("after_s", "is_good"), [(0.0, True), (3.0, True), (3.1, False)])
def test_a_trigger_expires(after_s: float, is_good: bool) -> None:
    """After three seconds."""
    now = Time()
    triggers = Triggers(3.0, now)
    made = triggers.issue("U1")
    now.now = after_s
    if is_good:
        assert triggers.exchange(made) == "U1"
    else:
        with pytest.raises(SlackError, match="expired_trigger_id"):
            triggers.exchange(made)


def test_the_oldest_are_forgotten() -> None:
    """However many presses there are, what is kept has an end."""
    triggers = Triggers(3.0, Time())
    first = triggers.issue("U1")
    for _ in range(MAX_TRIGGERS):
        last = triggers.issue("U2")
    assert triggers.exchange(last) == "U2"
    with pytest.raises(SlackError, match="invalid_trigger_id"):
        triggers.exchange(first)
