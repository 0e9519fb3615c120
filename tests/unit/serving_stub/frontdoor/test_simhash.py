"""Near-duplicate hashes: what makes a difference, and how much."""

from __future__ import annotations

import random

import pytest

from serving_stub.frontdoor.simhash import MOST_CHARS, distance, simhash, words

WORDS = (
    *("garden", "winter", "engine", "batch", "token", "queue", "harbour", "violin", "pepper", "ledger", "monday"),
    *("window", "copper", "river", "teacher", "market", "forest", "signal", "button", "planet", "letter", "doctor"),
    *("bridge", "summer", "kitchen", "record", "island", "camera", "pocket", "stable"),
)


def prompt(seed: int, num_words: int = 170) -> list[str]:
    """A prompt of about a thousand characters, in no language."""
    rng = random.Random(seed)
    return [rng.choice(WORDS) + rng.choice(("", "s", "ing", "er", "ly")) for _ in range(num_words)]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param("write a POEM about the sea", id="case"),
        pytest.param("  write a\tpoem\n\nabout   the sea ", id="space"),
        pytest.param("Write a poem — about the sea!", id="punctuation"),
    ],
)
def test_form_makes_no_difference(same: str) -> None:
    """Case, spacing and punctuation leave the hash as it is."""
    assert simhash(same) == simhash("Write a poem about the sea.")


def test_numbers_make_no_difference() -> None:
    """A template that is filled with numbers stays one template, however long they are."""
    assert simhash("order 17 of 2026") == simhash("order 90210 of 3")


def test_order_makes_a_difference() -> None:
    """The same words in another order are another text."""
    assert distance(simhash("the dog bites the man"), simhash("the man bites the dog")) > 0


def test_hash_is_the_same_everywhere() -> None:
    """Hashes of two replicas, and of two releases, can be compared."""
    assert simhash("Write a poem about the sea.", seed=7) == 0xCBCA39890980A274


def test_seed_changes_everything() -> None:
    """Under another month's seed a text cannot be recognised."""
    text = " ".join(prompt(1))
    assert distance(simhash(text, seed=1), simhash(text, seed=2)) > 15


def test_small_edits_move_few_bits() -> None:
    """Of a hundred prompts with 3 of their 170 words replaced, the median moves 3 bits and none more than 12."""
    moved = []
    for seed in range(100):
        rng = random.Random(1000 + seed)
        text = prompt(seed)
        edited = list(text)
        for place in rng.sample(range(len(text)), 3):
            edited[place] = "replaced"
        moved.append(distance(simhash(" ".join(text)), simhash(" ".join(edited))))
    moved.sort()
    assert moved[50] <= 4
    assert moved[-1] <= 12


def test_unrelated_texts_are_far() -> None:
    """Two prompts of other words differ in about half of the bits."""
    one, other = " ".join(prompt(1)), " ".join(f"x{word}" for word in prompt(2))
    assert 20 <= distance(simhash(one), simhash(other)) <= 44


def test_unspaced_scripts_are_read_by_character() -> None:
    """One changed character of a Japanese sentence does not make it another text."""
    one = simhash("東京の天気を詳しく教えてください。できれば週末の予報もお願いします。")
    near = simhash("大阪の天気を詳しく教えてください。できれば週末の予報もお願いします。")
    far = simhash("この契約書の第三条を英語に翻訳して、要点を箇条書きにまとめてほしい。")
    assert distance(one, near) <= 12
    assert distance(one, near) < distance(one, far)
    assert words("東京 GPT4") == ["東", "京", "gpt0"]


@pytest.mark.parametrize("text", ["", "   ", "?!…", "\ud800"])
def test_no_words(text: str) -> None:
    """A text without a word has the hash 0 and breaks nothing."""
    assert simhash(text) == 0


def test_long_text_counts_at_both_ends() -> None:
    """Past the bound, what lies in the middle is not read; the last words are."""
    half = "a word " * MOST_CHARS
    assert simhash(half + "hidden in the middle " * 50 + half) == simhash(half + half)
    assert simhash(half + "and the end") != simhash(half + "and another finish")
