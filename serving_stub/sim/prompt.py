"""Prompts whose text does not matter, no two of which begin alike."""

from __future__ import annotations

_BYTES = range(3, 259)
"""Token ids of the byte vocabulary; before them stand the special tokens."""
_DIGITS = 4


def prompt_of(number: int, num_tokens: int) -> tuple[int, ...]:
    """*num_tokens* token ids, the same for the same *number*; the first tell it from the next four billion."""
    head = [_BYTES[(number >> 8 * digit) & 0xFF] for digit in range(_DIGITS)]
    return tuple((head + head[:1] * num_tokens)[:num_tokens])
