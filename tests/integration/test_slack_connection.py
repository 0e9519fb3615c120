"""Slack closes its socket, as it does every few hours: presses go on reaching us, and nobody is alarmed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.slack_night import Night, running_night
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """A night with Slack there."""
    async with running_night(tmp_path) as running:
        yield running


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
async def test_a_refresh_makes_a_new_connection(night: Night, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """The old socket is closed with a reason; a new one is there at once, and no line of the log is an error."""
    caplog.set_level(logging.INFO, "opsbot.slack")
    socket = night.workspace.socket
    async with night.role() as role:
        await until(lambda: role.is_connected)
        for _ in range(3):
            await socket.disconnect(reason)
            await until(lambda: socket.num_connections >= 1)
            answer = await socket.send("slash_commands", _command())
            assert answer is not None
        await until(lambda: role.is_connected)
        assert role.problem is None
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def _command() -> dict[str, str]:
    return {
        "command": "/ops",
        "text": "help",
        "user_id": "U0ONCALL",
        "team_id": "T0LOCAL",
        "channel_id": "C0INCIDENTS",
        "response_url": "http://127.0.0.1:9/respond",
    }
