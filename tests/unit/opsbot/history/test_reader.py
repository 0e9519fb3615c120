"""The history's reader: beside the watch that writes, and without changing anything."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from opsbot.errors import SourceError
from opsbot.history.level import COARSE, FINE
from opsbot.history.reader import Extent, HistoryReader
from tests.support.history import block, named, opened, points, series, written

START_S = 1_700_002_800.0
ONE, TWO = series("m", x="1"), series("m", x="2")


def times(count: int) -> list[float]:
    """Every ten seconds."""
    return [START_S + 10 * step for step in range(count)]


def test_it_reads_while_another_writes(tmp_path: Path) -> None:
    """What was committed is there, sheet by sheet, and what comes next too."""
    file = opened(tmp_path)
    written(file, "a", block(times(30), {ONE: [float(n) for n in range(30)]}))
    reader = HistoryReader(tmp_path / "history.sqlite")
    chosen = reader.selection([named("m")])
    assert reader.extent() == Extent(START_S, START_S + 290, START_S)
    found = list(reader.blocks(chosen, FINE, START_S, START_S + 290))
    assert [reader.keys()[sheet] for sheet, _ in found] == ["a"]
    assert points([("a", found[0][1])], ONE) == list(zip(times(30), map(float, range(30)), strict=True))
    written(file, "b", block(times(3), {TWO: [1.0, 2.0, 3.0]}))
    assert len(list(reader.blocks(reader.selection([named("m")]), FINE, START_S, START_S + 290))) == 2
    reader.close()
    file.close()


def test_it_reads_the_coarse_level_where_the_fine_one_is_forgotten(tmp_path: Path) -> None:
    """From then on samples are as dense as they are kept."""
    file = opened(tmp_path)
    hours = 30
    written(file, "a", block(times(hours * 360), {ONE: [1.0] * hours * 360}), every_s=3600.0)
    now = START_S + hours * 3600
    while file.tidy(now):
        pass
    file.forget(now)
    reader = HistoryReader(tmp_path / "history.sqlite")
    extent = reader.extent()
    assert extent is not None
    assert extent.oldest_s < extent.fine_since_s <= now - 24 * 3600
    ((_, found),) = reader.blocks(reader.selection([named("m")]), COARSE, START_S, START_S + 3599)
    assert len(found.times) == 60
    file.close()
    reader.close()


def test_the_same_series_are_the_same_object_from_block_to_block(tmp_path: Path) -> None:
    """So that whoever plays them looks them up once."""
    file = opened(tmp_path)
    written(file, "a", block(times(12), {ONE: [1.0] * 12}))
    reader = HistoryReader(tmp_path / "history.sqlite")
    chosen = reader.selection([named("m")])
    ((_, first),) = reader.blocks(chosen, FINE, START_S, START_S + 59)
    ((_, second),) = reader.blocks(chosen, FINE, START_S + 60, START_S + 119)
    assert first.labels is second.labels
    reader.close()
    file.close()


def test_an_empty_history_has_no_extent(tmp_path: Path) -> None:
    """It is there, and has nothing."""
    opened(tmp_path).close()
    reader = HistoryReader(tmp_path / "history.sqlite")
    assert reader.extent() is None
    reader.close()


def test_a_file_that_is_no_history_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Whatever it is, it stays what it is."""
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    before = path.read_bytes()
    with pytest.raises(SourceError, match="cannot be read: file is not a database"):
        HistoryReader(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["history.sqlite"]


def test_a_history_of_another_version_is_refused(tmp_path: Path) -> None:
    """With both versions."""
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "history.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SourceError, match="is of version 99; this opsbot reads version 1"):
        HistoryReader(tmp_path / "history.sqlite")
