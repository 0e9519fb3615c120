"""Near-duplicate hashes of generated prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving_stub.frontdoor.simhash import distance, simhash

ASCII_WORDS = st.lists(st.from_regex(r"[a-z]{1,10}", fullmatch=True), min_size=1, max_size=60)
SPACES = st.sampled_from([" ", "  ", "\n", "\t", " \r\n", ", ", ". "])


@given(st.text(max_size=400), st.integers(0, 2**64 - 1))
def test_any_text_has_a_hash_of_64_bits(text: str, seed: int) -> None:
    """No text is refused, and the hash depends on nothing but text and seed."""
    assert 0 <= simhash(text, seed) < 2**64
    assert simhash(text, seed) == simhash(text, seed)


@given(ASCII_WORDS, st.data())
def test_case_and_spacing_never_matter(found: list[str], data: st.DataObject) -> None:
    """However words are spaced and written large, the hash stays."""
    text = ""
    for word in found:
        text += (word.upper() if data.draw(st.booleans()) else word) + data.draw(SPACES)
    assert simhash(text) == simhash(" ".join(found))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_distance_is_a_metric(one: int, other: int, third: int) -> None:
    """Zero for itself, the same both ways, never longer than a detour."""
    assert distance(one, one) == 0
    assert distance(one, other) == distance(other, one)
    assert distance(one, third) <= distance(one, other) + distance(other, third)
