"""The thread that keeps the history: whatever happens to the disk, watching goes on."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from opsbot.errors import SourceError
from opsbot.history.file import Batch, Limits
from opsbot.history.keeper import MAX_WAITING_SAMPLES, HistoryKeeper
from opsbot.history.level import FINE
from tests.support.history import block, named, points, series

START_S = 1_700_002_800.0
ONE = series("m", x="1")


def batch(at_s: float, value: float = 1.0) -> Batch:
    """One scrape."""
    return Batch("a", block([at_s], {ONE: [value]}))


async def test_what_was_taken_can_be_read_once_it_is_written(tmp_path: Path) -> None:
    """And after it was closed and opened again."""
    keeper = HistoryKeeper(tmp_path / "h.sqlite", Limits())
    keeper.take([batch(START_S), batch(START_S + 10, 2.0)])
    await keeper.written(START_S + 10)
    keeper.take([batch(START_S + 20, 3.0)])
    keeper.close(START_S + 20)
    keeper = HistoryKeeper(tmp_path / "h.sqlite", Limits())
    found = await keeper.read(named("m"), FINE, START_S, START_S + 60)
    assert [value for _, value in points(found, ONE)] == [1.0, 2.0, 3.0]
    keeper.close(START_S + 30)


async def test_a_file_that_is_damaged_while_in_use_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said with both names, counted, and the next samples go to a new file."""
    path = tmp_path / "h.sqlite"
    keeper = HistoryKeeper(path, Limits())
    keeper.take([batch(START_S + n, float(n)) for n in range(200)])
    await keeper.written(START_S)
    keeper.close(START_S)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    keeper = HistoryKeeper(path, Limits())
    keeper.take([batch(START_S + 1000)])
    await keeper.written(START_S + 1000)
    await keeper.written(START_S + 1001)
    assert keeper.counts.num_damaged >= 1
    assert "is kept as h.sqlite.damaged-" in caplog.text
    found = await keeper.read(named("m"), FINE, START_S, START_S + 2000)
    assert [value for _, value in points(found, ONE)] == [1.0]
    keeper.close(START_S + 1001)


async def test_a_full_disk_is_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Samples wait; when there is room again they are written, and that is said."""
    path = tmp_path / "h.sqlite"
    keeper = HistoryKeeper(path, Limits())
    await keeper.written(START_S)
    assert keeper._file is not None
    pages = keeper._file._db.execute("PRAGMA page_count").fetchone()[0]
    keeper._file._db.execute(f"PRAGMA max_page_count = {pages}")
    wide = {series("m", x=str(n)): [float(n) / 7] for n in range(2000)}
    keeper.take([Batch("a", block([START_S], wide))])
    with caplog.at_level(logging.INFO):
        await keeper.written(START_S)
        await keeper.written(START_S + 60)
        assert keeper.counts.num_failures == 2
        assert caplog.text.count("make room on the disk") == 1
        keeper._file._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
        await keeper.written(START_S + 120)
    assert "is written again" in caplog.text
    found = await keeper.read(named("m", x="13"), FINE, START_S, START_S + 60)
    assert points(found, series("m", x="13")) == [(START_S, 13 / 7)]
    assert keeper.counts.num_given_up == 0
    keeper.close(START_S)


async def test_what_cannot_be_written_waits_within_a_limit(tmp_path: Path) -> None:
    """What is over is given up, the oldest first, and counted."""
    (tmp_path / "folder").write_text("not a folder")
    keeper = HistoryKeeper(tmp_path / "folder" / "h.sqlite", Limits())
    rows = {series("m", x=str(n)): [1.0] for n in range(1000)}
    for step in range(MAX_WAITING_SAMPLES // 1000 + 5):
        keeper.take([Batch("a", block([START_S + 10 * step], rows))])
    assert keeper.counts.num_given_up == 5000
    keeper.turn(START_S)
    with pytest.raises(SourceError, match="cannot be read"):
        await keeper.read(named("m"), FINE, START_S, START_S + 60)
    assert await keeper.recent(START_S) == []
    assert keeper.counts.num_failures >= 1
    keeper.close(START_S)


def test_the_errors_that_mean_damage_exist() -> None:
    """SQLite's own codes."""
    assert (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) == (11, 26)
