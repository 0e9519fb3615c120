"""Samples of what is scraped together."""

from __future__ import annotations

import math

import pytest

from opsbot.promql.evaluate import query
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import COLUMNS, Sheet


def series(identity: str, name: str = "m") -> LabelSet:
    """One series of a metric."""
    return LabelSet.of({NAME: name, "id": identity})


A, B, C = series("a"), series("b"), series("c")


class Scraped:
    """A store with one sheet."""

    def __init__(self, retention_s: float = 900.0, max_series: int = 100) -> None:
        self.store = SampleStore(retention_s, max_series)
        self.sheet: Sheet = self.store.sheet("target")

    def values(self, text: str, time_s: float) -> dict[str, float]:
        """What *text* yields, by `id`."""
        found = query(text, self.store, time_s)
        assert isinstance(found, list)
        return {element.labels.get("id", ""): element.value for element in found}


def test_a_series_that_a_scrape_does_not_have_is_stale() -> None:
    """It is gone from that scrape on, and what it had before is still there for ranges."""
    scraped = Scraped()
    scraped.sheet.append(1000.0, (A, B), (1.0, 2.0))
    scraped.sheet.append(1001.0, (A,), (3.0,))
    assert scraped.values("m", 1000.5) == {"a": 1.0, "b": 2.0}
    assert scraped.values("m", 1001.0) == {"a": 3.0}
    assert scraped.values("count_over_time(m[5s])", 1001.0) == {"a": 2.0, "b": 1.0}


@pytest.mark.parametrize("num_before", [1, COLUMNS - 1, COLUMNS, COLUMNS + 1, 3 * COLUMNS])
def test_a_series_that_comes_later_has_nothing_before(num_before: int) -> None:
    """Wherever in a chunk of scrapes it comes in."""
    scraped = Scraped()
    for second in range(num_before):
        scraped.sheet.append(1000.0 + second, (A,), (1.0,))
    scraped.sheet.append(1000.0 + num_before, (A, B), (1.0, 2.0))
    assert scraped.values("count_over_time(m[1h])", 1000.0 + num_before) == {"a": num_before + 1.0, "b": 1.0}
    assert scraped.values("m", 999.5 + num_before) == {"a": 1.0}


def test_a_window_spans_chunks() -> None:
    """Every scrape between its ends is in it once, in order."""
    scraped = Scraped()
    for second in range(5 * COLUMNS):
        scraped.sheet.append(float(second), (A,), (float(second),))
    assert scraped.values("sum_over_time(m[200s])", 300.0) == {"a": float(sum(range(100, 301)))}
    assert scraped.values("increase(m[200s])", 300.0) == {"a": 200.0}


def test_a_scrape_that_is_not_newer_is_ignored() -> None:
    """The clock of samples only grows."""
    scraped = Scraped()
    scraped.sheet.append(1000.0, (A,), (1.0,))
    scraped.sheet.append(1000.0, (A,), (2.0,))
    scraped.sheet.append(999.0, (A,), (3.0,))
    assert scraped.values("m", 1000.0) == {"a": 1.0}
    assert scraped.store.num_samples == 1


def test_a_value_that_is_not_a_number_is_a_value() -> None:
    """NaN is exposed by targets and is not a stale mark."""
    scraped = Scraped()
    scraped.sheet.append(1000.0, (A,), (math.nan,))
    assert math.isnan(scraped.values("m", 1000.0)["a"])


def test_a_forgotten_series_leaves_nothing_to_the_next() -> None:
    """The room that it had is used again, empty."""
    scraped = Scraped(retention_s=10.0, max_series=2)
    scraped.sheet.append(1000.0, (A, B), (1.0, 2.0))
    for second in range(1, 13):
        scraped.sheet.append(1000.0 + second, (A,), (1.0,))
    scraped.store.forget_older(1012.0)
    scraped.sheet.append(1013.0, (A, C), (1.0, 5.0))
    assert scraped.store.num_series == 2
    assert scraped.values("count_over_time(m[1h])", 1013.0)["c"] == 1.0
    assert scraped.values("m", 1013.0) == {"a": 1.0, "c": 5.0}


def test_what_was_refused_is_taken_when_there_is_room() -> None:
    """A series beyond the limit is counted each time; it comes in once another is forgotten."""
    scraped = Scraped(retention_s=10.0, max_series=1)
    scraped.sheet.append(1000.0, (A,), (1.0,))
    both = (B, C)
    for second in range(1, 13):
        scraped.sheet.append(1000.0 + second, both, (2.0, 3.0))
    assert (scraped.values("m", 1012.0), scraped.store.num_refused) == ({}, 24)
    scraped.store.forget_older(1012.0)
    scraped.sheet.append(1013.0, both, (2.0, 3.0))
    assert scraped.values("m", 1013.0) == {"b": 2.0}


def test_a_series_belongs_to_the_sheet_that_had_it_first() -> None:
    """Two targets with the same labels do not make two series of them."""
    scraped = Scraped()
    scraped.sheet.append(1000.0, (A,), (1.0,))
    scraped.store.sheet("other").append(1000.5, (A, B), (7.0, 8.0))
    assert scraped.values("m", 1001.0) == {"a": 1.0, "b": 8.0}


def test_a_new_series_is_selected_by_what_was_asked_before() -> None:
    """Selections are remembered, and forgotten when there is something new to select."""
    scraped = Scraped()
    scraped.sheet.append(1000.0, (A,), (1.0,))
    assert scraped.values('m{id=~"a|b"}', 1000.0) == {"a": 1.0}
    scraped.sheet.append(1001.0, (A, B, series("a", "other")), (1.0, 2.0, 3.0))
    assert scraped.values('m{id=~"a|b"}', 1001.0) == {"a": 1.0, "b": 2.0}
