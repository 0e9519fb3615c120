"""Bounds that every parser keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsbot.web.inbound.parsed import check_labels, check_moment, cut_annotations, cut_text


@pytest.mark.parametrize(
    "labels",
    [{str(number): "" for number in range(65)}, {"a": "x" * 1025}, {"x" * 1025: "a"}, {"a": "\0"}, {"\0": "a"}],
    ids=["too many", "long value", "long name", "NUL in a value", "NUL in a name"],
)
def test_labels_that_cannot_be_kept(labels: dict[str, str]) -> None:
    """Identity is not cut: such an alert is refused."""
    with pytest.raises(ValueError, match="label"):
        check_labels(labels)


def test_labels_that_just_can() -> None:
    """Sixty-four of 1,024 characters are as they were."""
    labels = {str(number): "x" * 1024 for number in range(64)}
    assert check_labels(labels) == labels


def test_texts_are_cut() -> None:
    """A text may be long; people see its beginning, and that it goes on."""
    assert cut_text("x" * 8192) == "x" * 8192
    assert cut_text("x" * 8193) == "x" * 8191 + "…"
    assert cut_text("a\0b") == "ab"


def test_the_annotations_that_matter_stay() -> None:
    """Of a hundred, 64 are kept: ours and the title first."""
    many = {f"n{number}": "" for number in range(100)} | {"summary": "title", "opsbot_blind": "true"}
    kept = cut_annotations(many)
    assert len(kept) == 64
    assert (kept["summary"], kept["opsbot_blind"]) == ("title", "true")


def test_times() -> None:
    """A time has a zone and lies in the time of computers."""
    assert check_moment(datetime(2026, 1, 1, tzinfo=UTC)).year == 2026
    for wrong in (datetime(2026, 1, 1), datetime(1, 1, 1, tzinfo=UTC), datetime(2100, 1, 2, tzinfo=UTC)):
        with pytest.raises(ValueError, match=r"zone|between"):
            check_moment(wrong)
