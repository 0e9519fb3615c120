"""Label sets as values."""

from __future__ import annotations

from opsbot.promql.labelset import EMPTY, NAME, LabelSet, freeze

LABELS = LabelSet.of({NAME: "m", "le": "0.5", "cluster": "a"})


def test_equal_label_sets_are_one_object() -> None:
    """In whatever order they were given, and however they came about."""
    assert LabelSet.of({"cluster": "a", "le": "0.5", NAME: "m"}) is LABELS
    assert LABELS.without_name() is LabelSet.of({"le": "0.5", "cluster": "a"})
    assert LABELS.only(frozenset({"nothing"})) is EMPTY


def test_parts_are_what_they_say() -> None:
    """Some labels, all but some, and with others over them."""
    assert dict(LABELS.only(frozenset({"le", NAME}))) == {NAME: "m", "le": "0.5"}
    assert dict(LABELS.without(frozenset({"le", "other"}))) == {NAME: "m", "cluster": "a"}
    assert dict(LABELS.overlaid((("cluster", "b"), ("tier", "gold")))) == {
        NAME: "m",
        "le": "0.5",
        "cluster": "b",
        "tier": "gold",
    }


def test_a_label_set_reads_like_a_mapping() -> None:
    """An absent label is absent, and freezing yields sorted pairs."""
    assert (LABELS["le"], LABELS.get("other", ""), len(LABELS)) == ("0.5", "", 3)
    assert freeze(LABELS) == freeze(dict(LABELS)) == ((NAME, "m"), ("cluster", "a"), ("le", "0.5"))


def test_a_buckets_bound_is_known() -> None:
    """A number in `le`, infinity too; else there is none."""
    assert LABELS.upper_bound == 0.5
    assert LabelSet.of({"le": "+Inf"}).upper_bound == float("inf")
    assert LabelSet.of({"le": "wide"}).upper_bound is None
    assert EMPTY.upper_bound is None
