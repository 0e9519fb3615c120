"""A thing is said once a minute."""

from __future__ import annotations

import logging

import pytest

from opsbot.web.inbound.quiet_log import MAX_KEYS, QuietLog

logger = logging.getLogger("quiet")


def test_once_a_minute_and_how_often_since(caplog: pytest.LogCaptureFixture) -> None:
    """What was not said is counted and told with the next line; other keys are on their own."""
    quiet = QuietLog(logger)
    for now in (0.0, 1.0, 59.9, 60.0, 61.0):
        quiet.warning("a", f"a at {now}", now)
    quiet.warning("b", "b", 61.0)
    assert [record.getMessage() for record in caplog.records] == ["a at 0.0", "a at 60.0 (2 more like it since)", "b"]


def test_it_does_not_grow(caplog: pytest.LogCaptureFixture) -> None:
    """Keys beyond the limit are not remembered, nor said."""
    quiet = QuietLog(logger)
    for number in range(MAX_KEYS + 10):
        quiet.warning(number, "x", 0.0)
    assert len(caplog.records) == MAX_KEYS
