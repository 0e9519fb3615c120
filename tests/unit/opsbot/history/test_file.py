"""The history's file: what it takes, makes small, forgets and refuses."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from opsbot.history.file import Batch
from opsbot.history.level import COARSE, FINE
from opsbot.promql.reach import SLACK_S
from opsbot.promql.syntax import QueryError
from opsbot.sqlite_file import InUseError
from tests.support.history import MISSING, block, named, opened, points, series, written

START_S = 1_700_002_800.0
"""An hour begins here."""
ONE, TWO = series("m_total", x="1"), series("m_total", x="2")


def hours(count: int, every_s: int = 10) -> list[float]:
    """Times over that many hours."""
    return [START_S + every_s * step for step in range(count * 3600 // every_s)]


def test_an_hour_is_made_small_when_it_is_over(tmp_path: Path) -> None:
    """It takes a fraction of the room, and reads the same."""
    times = hours(1)
    rows = {series("m_total", x=str(n)): [float(n * i * i) for i in range(len(times))] for n in range(300)}
    file = opened(tmp_path)
    written(file, "a", block(times, rows))
    before = file.read(named("m_total", x="7"), FINE, times[0], times[-1])
    size = file.num_bytes
    assert file.tidy(START_S + 3600) == 0
    assert file.tidy(START_S + 3600 + FINE.settled_s) == 1
    assert file.num_bytes < size / 2
    after = file.read(named("m_total", x="7"), FINE, times[0], times[-1])
    one = series("m_total", x="7")
    assert points(after, one) == points(before, one) == list(zip(times, rows[one], strict=True))


def test_a_reset_just_before_an_hours_end_is_in_the_coarse_level(tmp_path: Path) -> None:
    """A counter that falls between two hours and outgrows what it was within a minute loses nothing."""
    times = hours(2)
    values = [float(i if i < 360 else (i - 360) * 500) for i in range(720)]
    file = opened(tmp_path)
    written(file, "a", block(times, {ONE: values}))
    while file.tidy(START_S + 3 * 3600):
        pass
    found = [value for _, value in points(file.read(named("m_total"), COARSE, times[0], times[-1]), ONE)]
    rose = sum(after if after < before else after - before for before, after in itertools.pairwise(found))
    assert rose == 359 - found[0] + 359 * 500


def test_what_is_too_old_is_forgotten_at_each_level(tmp_path: Path) -> None:
    """The fine level has a day, the coarse one a week; then the series is forgotten too."""
    file = opened(tmp_path)
    written(file, "a", block(hours(2), {ONE: [1.0] * 720}), every_s=3600)
    while file.tidy(START_S + 9 * 3600):
        pass
    everything = (START_S, START_S + 7200)
    file.forget(START_S + FINE.kept_s + SLACK_S)
    assert len(points(file.read(named("m_total"), FINE, *everything), ONE)) == 720
    file.forget(START_S + 7200 + FINE.kept_s + SLACK_S + 1)
    assert points(file.read(named("m_total"), FINE, *everything), ONE) == []
    assert len(points(file.read(named("m_total"), COARSE, *everything), ONE)) == 120
    file.forget(START_S + 7200 + COARSE.kept_s + SLACK_S + COARSE.span_s + 1)
    assert (file.num_series, points(file.read(named("m_total"), COARSE, *everything), ONE)) == (0, [])


def test_series_beyond_the_limit_are_refused_and_named(tmp_path: Path) -> None:
    """Those that are known go on; a full table says of which metric it refused most."""
    file = opened(tmp_path, max_series=2)
    many = {series("wild", user=str(n)): [1.0] for n in range(10)}
    file.write([Batch("a", block([START_S], {ONE: [1.0], **many}))])
    file.write([Batch("a", block([START_S + 10], {ONE: [2.0], **many}))])
    assert (file.num_series, file.most_refused) == (2, "wild")
    assert file.num_refused == 18
    assert points(file.read(named("m_total"), FINE, START_S, START_S + 60), ONE) == [
        (START_S, 1.0), (START_S + 10, 2.0),
    ]  # fmt: skip


def test_the_file_stays_within_its_limit(tmp_path: Path) -> None:
    """The oldest samples make room, and that is counted."""
    file = opened(tmp_path, max_bytes=1 << 20)
    times = hours(2)
    rows = {series("m", x=str(n)): [math.sin(i * n) for i in range(len(times))] for n in range(400)}
    whole = block(times, rows)
    for start_s in times[::6]:
        file.write([Batch("a", whole.between(start_s, start_s + 59))])
        file.forget(start_s)
    assert file.num_cut > 0
    assert file.num_bytes <= 1 << 20
    found = points(file.read(named("m", x="3"), FINE, times[0], times[-1]), series("m", x="3"))
    assert found[-1][0] == times[-1]
    assert found[0][0] > times[0]


def test_a_series_that_left_is_gone_at_once(tmp_path: Path) -> None:
    """A scrape without it says so, also where nothing else is left of its sheet."""
    file = opened(tmp_path)
    file.write([Batch("a", block([START_S, START_S + 10], {ONE: [1.0, MISSING]}))])
    file.write([Batch("a", block([START_S + 20], {ONE: [MISSING]}))])
    ((_, found),) = file.read(named("m_total"), FINE, START_S, START_S + 60)
    assert found.times == [START_S, START_S + 10, START_S + 20]
    assert points([("a", found)], ONE) == [(START_S, 1.0)]


def test_too_much_in_one_question_is_refused(tmp_path: Path) -> None:
    """By a number that says what would do."""
    file = opened(tmp_path)
    file.write([Batch("a", block([START_S], {series("m", x=str(n)): [1.0] for n in range(900)}))])
    with pytest.raises(QueryError, match="about 7776000 samples would be read"):
        file.read(named("m"), FINE, START_S, START_S + 86_400)


def test_a_file_is_one_processs(tmp_path: Path) -> None:
    """A second one is told whose it is and what to do."""
    file = opened(tmp_path)
    with pytest.raises(InUseError, match="give each watch a data_dir of its own"):
        opened(tmp_path)
    file.close()
    opened(tmp_path).close()


def test_a_file_of_another_version_is_moved_aside(tmp_path: Path) -> None:
    """It may come from a newer opsbot; only the newest two are kept."""
    for number in range(4):
        file = opened(tmp_path)
        file._db.execute("PRAGMA user_version = 99")
        file.close()
        (tmp_path / "history.sqlite").rename(tmp_path / f"history.sqlite.damaged-0{number}") if number else None
    file = opened(tmp_path)
    assert file.num_series == 0
    file.close()
