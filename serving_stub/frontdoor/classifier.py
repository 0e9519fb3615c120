"""Scores of a prompt by hazard category: a protocol, and a local model of a few hundred kilobytes.

The local model is a multinomial logistic regression over hashed words, word pairs and word beginnings, trained by
`scripts/train_classifier.py` on phrases of our own. It is a cheap hint for counting (policies add
up what many requests score), not a verdict on one: `docs/request-log.md` states how often it is wrong.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from serving_stub.errors import SettingError
from serving_stub.frontdoor.simhash import words

# The twelve hazards of MLCommons AILuminate 1.0.
CATEGORIES = (
    "violent_crimes",
    "sex_related_crimes",
    "child_sexual_exploitation",
    "suicide_self_harm",
    "indiscriminate_weapons",
    "intellectual_property",
    "defamation",
    "non_violent_crimes",
    "hate",
    "privacy",
    "specialized_advice",
    "sexual_content",
)
SHIPPED = Path(__file__).with_name("data") / "classifier" / "hazards.npz"
NUM_BUCKETS = 1 << 16
WINDOW = 32
"""Words that are judged together; a text scores as its worst window, so a harmful sentence does not drown in a page."""
STRIDE = 16
_PREFIX_CHARS = 5
_SEEDS = (1, 2, 3)


class Classifier(Protocol):
    """Whatever scores a text.

    A category that is missing from the answer is not known; one that is 0 is known to be absent.
    """

    def score(self, text: str) -> Mapping[str, float]:
        """Scores from 0 to 1 by category name; never raises for any text, never waits for anything."""
        ...


def feature_rows(found: list[str]) -> NDArray[np.int64]:
    """The buckets of each word's features: the word, its pair with the next one, its beginning. Shape [words, 3]."""
    after = [*found[1:], ""]
    # Words have no line break, so one encoding serves all of them.
    texts = "\n".join((*found, *(f"{one} {other}" for one, other in zip(found, after, strict=True))))
    encoded = texts.encode().split(b"\n")
    prefixes = "\n".join(word[:_PREFIX_CHARS] for word in found).encode().split(b"\n")
    count = len(found)
    parts = (encoded[:count], encoded[count:], prefixes)
    hashed = [
        np.fromiter(map(xxh3_64_intdigest, part, repeat(seed)), np.uint64, count)
        for part, seed in zip(parts, _SEEDS, strict=True)
    ]
    return (np.stack(hashed, axis=1) % np.uint64(NUM_BUCKETS)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class HazardModel:
    """The local model.

    Shapes: weights [NUM_BUCKETS, categories + 1], bias [categories + 1]; the last column is "harmless".
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def score(self, text: str) -> Mapping[str, float]:
        """A score for each of `CATEGORIES`, to three places."""
        found = words(text)
        if not found:
            return dict.fromkeys(CATEGORIES, 0.0)
        return dict(zip(CATEGORIES, self._worst(feature_rows(found)).tolist(), strict=True))

    def _worst(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each category's highest probability in any window."""
        each = self.weights[rows].sum(axis=1, dtype=np.float32)  # [words, categories + 1]
        total = np.concatenate((np.zeros((1, each.shape[1]), np.float32), each.cumsum(axis=0)))
        starts = np.arange(0, max(len(rows) - WINDOW, 0) + STRIDE, STRIDE)
        starts = starts[starts < len(rows)]
        logits = total[np.minimum(starts + WINDOW, len(rows))] - total[starts] + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        worst = (odds / odds.sum(axis=1, keepdims=True)).max(axis=0)[:-1]
        return np.asarray(worst, np.float64).round(3)


def load_hazard_model(path: Path = SHIPPED) -> HazardModel:
    """The model in the file at *path*.

    Raises: SettingError where it cannot be read or has other shapes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            weights, bias = arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SettingError(f"{path}: is no model of hazards; scripts/train_classifier.py writes one") from error
    wanted = ((NUM_BUCKETS, len(CATEGORIES) + 1), (len(CATEGORIES) + 1,))
    if (weights.shape, bias.shape) != wanted:
        raise SettingError(f"{path}: has weights and bias of {weights.shape} and {bias.shape}, expected {wanted}")
    return HazardModel(weights, bias)
