"""Announcements of load tests as they are typed."""

from __future__ import annotations

import pytest

from opsbot.errors import ConfigError
from opsbot.utilisation.announced import Announced, read_announcement
from opsbot.utilisation.load_test import Size

CLUSTERS = ("eu-1", "us-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eu-1 40rps 30m 500 tokens", Announced("eu-1", Size(40, 500), 1800, "", "")),
        ("40 requests/s on eu-1 for 1h", Announced("eu-1", Size(40), 3600, "", "")),
        (
            "us-1 2400 rpm 200 tokens per request expect the first token stays under 2 s because of the launch",
            Announced("us-1", Size(40, 200), 1800, "the first token stays under 2 s", "of the launch"),
        ),
        ("EU 1, 12.5 qps, 10 min", Announced("eu-1", Size(12.5), 600, "", "")),
    ],
)
def test_any_order_is_understood(text: str, expected: Announced) -> None:
    """Half an hour unless it is said."""
    assert read_announcement(text, CLUSTERS) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "which cluster"),
        ("eu-3 40rps", "did you mean `eu-1`"),
        ("eu-1", "how large is it"),
        ("eu-1 us-1 40rps", "one cluster at a time"),
        ("eu-1 40rps 10s", "from 1 minute to 24 hours"),
        ("eu-1 40rps 9 days", "from 1 minute to 24 hours"),
        ("eu-1 40rps wibble9", "`wibble9` is not understood"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, said: str) -> None:
    """With what to type instead."""
    with pytest.raises(ConfigError, match=said):
        read_announcement(text, CLUSTERS)
