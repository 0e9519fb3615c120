"""What Slack delivers again is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsbot.slack.seen import Seen, key_of
from opsbot.store.inbound import InboundRepository
from tests.support.alerts import open_database


def test_a_key_is_new_once() -> None:
    """An empty one always is: nothing tells it from others."""
    seen = Seen()
    assert [seen.first(key) for key in ("a", "a", "b", "", "")] == [True, False, True, True, True]


def test_memory_is_bounded() -> None:
    """The oldest are forgotten."""
    seen = Seen(remembered=2)
    for key in ("a", "b", "c"):
        seen.first(key)
    assert [seen.first(key) for key in ("c", "b", "a")] == [False, False, True]


async def test_what_would_act_twice_is_remembered_over_a_restart(tmp_path: Path) -> None:
    """The second process finds what the first one took."""
    database = open_database(tmp_path)
    inbound = InboundRepository(database)

    def process() -> Seen:
        return Seen(lambda key: inbound.take("slack", key, 100.0))

    first, second = process(), process()
    answers = [await first.first_ever("pin 1"), await first.first_ever("pin 1"), await second.first_ever("pin 1")]
    assert answers == [True, False, False]
    assert second.first("pin 1")
    database.close()


ACTION = {"action_id": "incident.ack", "action_ts": "5.5"}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"type": "event_callback", "event_id": "Ev1", "event": {}}, "event Ev1"),
        ({"command": "/ops", "trigger_id": "1.2.a"}, "trigger 1.2.a"),
        ({"type": "block_actions", "trigger_id": "1.2.b", "actions": [ACTION]}, "trigger 1.2.b"),
        (
            {
                "type": "block_actions",
                "user": {"id": "U1"},
                "container": {"type": "message", "message_ts": "9.1"},
                "actions": [ACTION],
            },
            "action 9.1 5.5 U1",
        ),
        (
            {"type": "view_closed", "user": {"id": "U1"}, "view": {"id": "V1", "hash": "h"}},
            "view view_closed V1 h U1",
        ),
        ({"type": "block_suggestion", "value": "eu", "user": {"id": "U1"}}, ""),
        ({}, ""),
    ],
)
def test_what_tells_a_payload_from_others(body: dict[str, Any], key: str) -> None:
    """The ids that Slack repeats with it; a question for options may be asked any number of times."""
    assert key_of(body) == key
