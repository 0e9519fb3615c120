"""What is said of a fleet in Slack."""

from __future__ import annotations

import pytest

from opsbot.slack.fleet_text import fleet_lines
from opsbot.vitals.vitals import Fleet

NOBODY = Fleet(0.0, {})


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (
            "all numbers: the metrics source http://127.0.0.1:39771 does not answer: ConnectionError",
            "all numbers: the metrics source does not answer: ConnectionError",
        ),
        ("leases of eu-1: nothing listens at https://10.0.0.7:8000/control.", "leases of eu-1: nothing listens."),
        ("latency: no answer within 5 s", "latency: no answer within 5 s"),
    ],
)
def test_an_address_is_not_shown(why: str, said: str) -> None:
    """A link that opens on no phone is no help at night; the terminal names it."""
    assert list(fleet_lines(Fleet(0.0, {}, (), (why,)), NOBODY)) == [f"Not known: {said}"]
