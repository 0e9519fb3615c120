"""A 64-bit near-duplicate hash of a prompt: texts that share most of their words differ in few of its bits.

It reads words, not characters: case, spacing, punctuation and the digits of numbers make no difference. Words count
alone and in pairs, so their order matters; scripts without spaces are read character by character. A short text can be
guessed from its hash by whoever knows the seed, so the door seeds it with the month's secret.
"""

from __future__ import annotations

import re
from itertools import repeat

import numpy as np
from xxhash import xxh3_64_intdigest

MOST_CHARS = 16_384
"""Of a longer text the first and the last half of this many characters count, whatever is between them."""

# Thai, kana, Han and Hangul characters each count as a word: between them stand no spaces.
_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_NUMBER = re.compile(r"\d+")
_FIRST, _SECOND, _SHIFT = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(31)


def words(text: str) -> list[str]:
    """What counts of *text*, in order; the digits of every number are one `0`."""
    if len(text) > MOST_CHARS:
        half = MOST_CHARS // 2
        text = f"{text[:half]} {text[-half:]}"
    return _WORD.findall(_NUMBER.sub("0", text.casefold()))


def simhash(text: str, seed: int = 0) -> int:
    """The hash of *text*, below 2**64; 0 where it has no word.

    Source: Charikar 2002, "Similarity Estimation Techniques from Rounding Algorithms", over words and their pairs as
            in Manku, Jain and Das Sarma 2007, "Detecting Near-Duplicates for Web Crawling".
    """
    found = words(text)
    if not found:
        return 0
    encoded = "\n".join(found).encode().split(b"\n")  # one call, where a call a word costs a sixth of the whole
    singles = np.fromiter(map(xxh3_64_intdigest, encoded, repeat(seed)), np.uint64, len(found))
    pairs = singles[:-1] * _FIRST + singles[1:] * _SECOND
    features = np.concatenate((singles, (pairs ^ (pairs >> _SHIFT)) * _FIRST))
    bits = np.unpackbits(features.view(np.uint8).reshape(-1, 8), axis=1)
    set_in_most = bits.sum(axis=0, dtype=np.int32) * 2 > len(features)
    return int.from_bytes(np.packbits(set_in_most).tobytes(), "little")


def distance(one: int, other: int) -> int:
    """How many of 64 bits differ: 0 for equal texts, about 32 for unrelated ones."""
    return (one ^ other).bit_count()
