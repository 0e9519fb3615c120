"""What holds a cluster, and what the cells of a fleet's table say."""

from __future__ import annotations

import pytest

from opsbot.vitals import text
from opsbot.vitals.leases import value_words
from opsbot.vitals.vitals import LeaseInForce, Vitals


@pytest.mark.parametrize(
    ("vitals", "word"),
    [
        (Vitals("a", running=0, waiting=0, bound="KV"), "idle"),
        (Vitals("a", running=4, waiting=9, bound="KV"), "queue"),
        (Vitals("a", running=9, waiting=4, bound="KV"), "memory"),
        (Vitals("a", running=9, waiting=0, bound="bandwidth"), "memory"),
        (Vitals("a", running=9, waiting=0, bound="compute"), "compute"),
        (Vitals("a", running=9, waiting=0, bound="batch"), "batch"),
        (Vitals("a", running=9, waiting=1, bound="batch"), "queue"),
        (Vitals("a", running=9, waiting=0, is_compute_bound=True), "compute"),
        (Vitals("a", running=9, waiting=0, is_compute_bound=False), "memory"),
        (Vitals("a", running=9, waiting=0), None),
        (Vitals("a", running=9, bound="KV"), None),
        (Vitals("a"), None),
    ],
)
def test_what_holds_it(vitals: Vitals, word: str | None) -> None:
    """Nothing to do, more who wait than run, or the bound that capacity names; unknown is not guessed."""
    assert vitals.held_by == word


def test_the_cells_of_a_table() -> None:
    """Numbers with their units, and a dash for what is not known."""
    one = Vitals(
        "a", running=31, batch_limit=32, waiting=14, kv_ratio=0.934, ttft_s=1.94, tokens_per_min=91_800,
        preemptions_per_min=12.0, used_ratio=0.97, bound="batch",
        leases=(LeaseInForce("batch_limit", "8", "r-3fa2c1", 1_120.0), LeaseInForce("drain", "on", "ann", 1_030.0)),
    )  # fmt: skip
    assert (text.batch_text(one), text.waiting_text(one), text.kv_text(one)) == ("31 of 32", "14", "93%")
    assert (text.ttft_text(one), text.tokens_text(one), text.used_text(one)) == ("1.94 s", "91.8k", "97% batch")
    assert text.held_text(one) == "queue"
    assert [text.lease_text(lease, 1_000.0) for lease in one.leases or ()] == [
        "batch_limit 8 by r-3fa2c1, 2 min left",
        "drain on by ann, 30 s left",
    ]
    nothing = Vitals("a", sight="blind", num_targets=2, num_up=0)
    cells = (text.batch_text, text.waiting_text, text.kv_text, text.ttft_text, text.tokens_text, text.used_text)
    assert {cell(nothing) for cell in cells} == {"–"}
    assert text.held_text(nothing) == "blind: 0 of 2 targets answer"


@pytest.mark.parametrize(
    ("vitals", "said"),
    [
        (Vitals("a", sight="blind"), "blind: no samples"),
        (Vitals("a", sight="blind", num_targets=2, num_up=2), "blind: no engine metrics"),
        (Vitals("a", sight="frozen"), "frozen: old numbers"),
        (Vitals("a"), "up"),
    ],
)
def test_what_cannot_be_believed_says_why(vitals: Vitals, said: str) -> None:
    """At 4 a.m. the difference decides whom to wake."""
    assert text.sight_text(vitals) == said


def test_what_needs_eyes_comes_first() -> None:
    """Blind clusters, frozen ones, then the fullest."""
    rows = [
        Vitals("calm", used_ratio=0.2), Vitals("full", kv_ratio=0.95), Vitals("still", sight="frozen"),
        Vitals("dark", sight="blind"), Vitals("waits", kv_ratio=0.95, waiting=4),
    ]  # fmt: skip
    assert [one.cluster for one in text.worst_first(rows)] == ["dark", "still", "waits", "full", "calm"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (8, "8"),
        (None, "on"),
        ({"fraction": 0.2, "selector": {"key": ["sk-secret"]}}, "20%"),
        ({"mode": "safe", "selector": {"network": ["10.0.0.0/8"]}}, "safe"),
        ({"where": "usw-1", "factor": 0}, "usw-1 x 0"),
        ({"message": "We are full", "selector": {"key": ["sk-secret"]}}, "on"),
    ],
)
def test_a_leases_value_never_says_whom_it_concerns(value: object, words: str) -> None:
    """A selector may name keys and networks."""
    assert value_words(value) == words  # type: ignore[arg-type]
