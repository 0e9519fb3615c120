"""Core's database locked, and broken, while people press and type: they hear so and what to do, and nothing is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.live_core import live_core
from tests.support.slack_role import until
from tests.support.small_slack import SmallSlack, small_slack

pytestmark = pytest.mark.integration

SILENCE = 'silence 1h alertname="TargetDown" because the rack is moved'
NO_SERVER = "http://127.0.0.1:1"


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SmallSlack]:
    """A peer; a database that is locked is waited for half a second instead of five."""
    monkeypatch.setattr("opsbot.store.database.BUSY_TIMEOUT_MS", 500)
    async with small_slack() as peer:
        yield peer


async def answer(slack: SmallSlack, text: str) -> str:
    """What `/ops <text>` is answered with."""
    slack.responses.clear()
    await slack.type("U0ONCALL", text)
    await until(lambda: bool(slack.responses))
    return str(slack.responses[0]["text"])


async def test_a_locked_database_is_said_and_nothing_is_half_done(slack: SmallSlack, tmp_path: Path) -> None:
    """Acknowledged at once; the answer says what happened and what to do; afterwards the same works."""
    async with live_core(tmp_path, slack, NO_SERVER):
        await until(lambda: slack.is_connected)
        other = sqlite3.connect(database_of(tmp_path), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        said = await answer(slack, SILENCE)
        assert "database is locked" in said
        assert "try again in a moment" in said
        assert "INSERT" not in said
        assert "SELECT" not in said
        # Whoever only looks is not held up.
        assert "Nothing is open" in await answer(slack, "status")
        other.execute("ROLLBACK")
        other.close()
        assert await answer(slack, "silences") == "Nothing is silenced."
        assert "SIL-1" in await answer(slack, SILENCE)


async def test_a_database_that_cannot_be_read_is_said_on_the_home_tab(slack: SmallSlack, tmp_path: Path) -> None:
    """And the tab is whole again with the database."""
    async with live_core(tmp_path, slack, NO_SERVER):
        await until(lambda: slack.is_connected)
        other = sqlite3.connect(database_of(tmp_path), isolation_level=None)
        other.execute("ALTER TABLE incident RENAME TO away")
        await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
        await until(lambda: bool(slack.homes))
        shown = json.dumps(slack.homes[-1]["view"])
        assert "cannot be filled" in shown
        assert "no such table: incident" in shown
        other.execute("ALTER TABLE away RENAME TO incident")
        other.close()
        slack.homes.clear()
        await slack.emit({"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"})
        await until(lambda: bool(slack.homes))
        assert "Nothing is open." in json.dumps(slack.homes[-1]["view"])


def database_of(folder: Path) -> Path:
    """Core's database."""
    (found,) = (path for path in (folder / "data").glob("*.sqlite") if "opsbot" in path.name)
    return found
