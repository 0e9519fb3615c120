"""What people read when the database fails: its own words and what to do, never a statement or what stood in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from opsbot.store.database import StoreError
from tests.support.alerts import open_database

WRITTEN = "what-somebody-wrote"


@pytest.mark.parametrize("door", ["read", "write"])
def test_a_failure_says_why_and_what_to_do(tmp_path: Path, door: str) -> None:
    """In one line; the cause, which the log prints, hides the parameters too."""
    database = open_database(tmp_path)
    try:
        with pytest.raises(StoreError) as failed, getattr(database, door)() as connection:
            connection.execute(text("INSERT INTO no_such_table VALUES (:what)"), {"what": WRITTEN})
    finally:
        database.close()
    said = str(failed.value)
    assert "no such table: no_such_table" in said
    assert "try again in a moment" in said
    assert "INSERT" not in said
    assert "\n" not in said
    assert WRITTEN not in said + str(failed.value.__cause__)
    assert failed.value.retryable
