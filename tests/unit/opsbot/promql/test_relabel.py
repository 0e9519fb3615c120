"""label_replace and label_join: what becomes of the label."""

from __future__ import annotations

import pytest

from opsbot.promql.labelset import LabelSet
from opsbot.promql.relabel import label_join, label_replace
from opsbot.promql.vector import Element

VECTOR = [Element(LabelSet.of({"__name__": "queue", "cluster": "a"}), 3.0)]


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [("$1-x", "a-x"), ("${1}1", "a1"), ("$11", ""), ("$$1", "$1"), ("$nothing.", "."), ("", "")],
)
def test_label_replace_expands_like_go(replacement: str, expected: str) -> None:
    """`$11` is group eleven, `$$` a dollar, and what does not exist is empty."""
    found = label_replace(VECTOR, ["to", replacement, "cluster", "(.)"])
    assert [e.labels.get("to", "") for e in found] == [expected]


def test_a_pattern_that_does_not_match_in_full_changes_nothing() -> None:
    """It is anchored on both sides."""
    assert label_replace(VECTOR, ["cluster", "x", "__name__", "que"]) == VECTOR


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["to", "/", "cluster", "__name__"], "a/queue"),
        (["to", "/", "cluster", "nothing", "cluster"], "a//a"),
        (["to", "", "nothing"], ""),
        (["to", "/"], ""),
    ],
)
def test_label_join_joins_what_is_there(words: list[str], expected: str) -> None:
    """A missing label is the empty text, and an empty result no label."""
    (found,) = label_join(VECTOR, words)
    assert found.labels.get("to", "") == expected
    assert ("to" in found.labels) == bool(expected)
