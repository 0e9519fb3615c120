"""A request's features: the only form in which a prompt goes anywhere but to the model.

`screen` runs before the answer, because a crisis decides the route; `describe` may run after it, off the hot path. What
they return has no text: pattern ids, a keyed hash, a near-duplicate hash, scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serving_stub.frontdoor.classifier import Classifier
from serving_stub.frontdoor.keyed_hash import Hasher, Kind
from serving_stub.frontdoor.pattern import NO_HITS, Flag, PatternHits, PatternSets
from serving_stub.frontdoor.simhash import simhash


@dataclass(frozen=True, slots=True)
class Screening:
    """What has to be known before somebody answers."""

    hits: PatternHits = NO_HITS

    @property
    def is_crisis(self) -> bool:
        """Whether the request must take the normal path whatever is in force."""
        return self.hits.is_crisis


@dataclass(frozen=True, slots=True)
class Features:
    """What the request log says of a prompt.

    Args:
        key_id: of the month's key that made the hashes and seeded *simhash*; only features of one key id compare.
        simhash: of the prompt, below 2**64; 0 where it has no word.
        request_hash: of the body as it arrived, so that the same body under another owner's key is seen again.
        system_prompt_hash: None where there is no system prompt.
        pattern_hits: `set/pattern`.
        scores: by category, from the classifier.
    """

    key_id: str
    simhash: int
    request_hash: str
    system_prompt_hash: str | None
    pattern_hits: tuple[str, ...]
    pattern_flags: frozenset[Flag]
    scores: Mapping[str, float]
    is_crisis: bool

    @property
    def simhash_hex(self) -> str:
        """As the request log writes it, since JSON's readers round integers this large."""
        return f"{self.simhash:016x}"


def screen(prompt_text: str, patterns: PatternSets) -> Screening:
    """Which pattern sets *prompt_text* hits."""
    return Screening(patterns.scan(prompt_text))


def describe(
    prompt_text: str,
    system_text: str | None,
    body: bytes,
    screening: Screening,
    hasher: Hasher,
    classifier: Classifier | None,
) -> Features:
    """Everything else, from the same prompt.

    Args:
        prompt_text: what the user said last; what it is in a conversation of many turns is the caller's choice, and
            must be the same for every request.
        classifier: None where nobody configured one; scores are then empty.
    """
    return Features(
        key_id=hasher.key_id,
        simhash=simhash(prompt_text, hasher.simhash_seed),
        request_hash=hasher(Kind.REQUEST, body),
        system_prompt_hash=hasher(Kind.SYSTEM_PROMPT, system_text) if system_text else None,
        pattern_hits=screening.hits.ids,
        pattern_flags=screening.hits.flags,
        scores={} if classifier is None else classifier.score(prompt_text),
        is_crisis=screening.is_crisis,
    )


def extract(
    prompt_text: str,
    system_text: str | None,
    body: bytes,
    hasher: Hasher,
    patterns: PatternSets,
    classifier: Classifier | None,
) -> Features:
    """`screen` and `describe` in one, for whoever has no answer to wait for (replays, backtests)."""
    return describe(prompt_text, system_text, body, screen(prompt_text, patterns), hasher, classifier)
