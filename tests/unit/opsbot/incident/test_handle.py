"""Short names of runs."""

from __future__ import annotations

import pytest

from opsbot.incident.handle import digits_in, digits_of, handle_of

RUN = "run:kv-cache-pressure:cc0d8e1f2a3b4c5d:1:1"


def test_a_handle_is_short_and_always_the_same() -> None:
    """Six digits that people see, of twelve that are kept."""
    assert handle_of(RUN) == "r-" + digits_of(RUN)[:6]
    assert (len(digits_of(RUN)), len(handle_of(RUN))) == (12, 8)
    assert handle_of(RUN) != handle_of(RUN[:-1] + "2")


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("r-3fa2c1", "3fa2c1"),
        ("R-3FA2C1", "3fa2c1"),
        (" 3fa2c1 ", "3fa2c1"),
        ("3fa2", "3fa2"),
        ("r-3fa2c1d4e5f6", "3fa2c1d4e5f6"),
        ("r-3fa", None),
        ("r-3fa2c1d4e5f60", None),
        ("r-xyz123", None),
        (RUN, None),
        ("", None),
    ],
)
def test_it_is_read_as_people_type_it(text: str, digits: str | None) -> None:
    """With or without its first letters, in any case, perhaps longer than it is shown."""
    assert digits_in(text) == digits
