"""Reads the announcement of a load test that runs elsewhere, in whatever order it was typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opsbot.errors import ConfigError
from opsbot.spoken.plain import nearest, plain
from opsbot.spoken.scan import scan
from opsbot.utilisation.load_test import Size

USAGE = "`loadtest announce eu-1 40rps 30m 500 tokens expect the first token stays under 2 s`"
DEFAULT_S = 1800.0
MOST_S = 24 * 3600.0
MOST_REQUESTS_PER_S = 100_000.0
MOST_WORDS = 500
_TOKENS = re.compile(r"(?<![\w.,])(\d{1,7})\s*(?:tok|tokens?)(?:\s*(?:/|per|a)\s*req(?:uest)?)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Announced:
    """What was typed; lengths in seconds."""

    cluster: str
    size: Size
    length_s: float
    expect: str
    reason: str


def read_announcement(text: str, clusters: Sequence[str]) -> Announced:
    """What *text* announces.

    Raises: ConfigError, with what to type instead.
    """
    said = plain(text)
    head = re.split(r"\b(?:expect|because|reason)\w*\b", said, maxsplit=1, flags=re.IGNORECASE)[0]
    tokens = _TOKENS.search(head)
    if tokens is not None:
        said = f"{said[: tokens.start()]} {said[tokens.end() :]}"
    found = scan(" ".join(said.split()), clusters)
    if not found.clusters:
        word = found.strange.split()[0] if found.strange else ""
        near = nearest(word, clusters) if word else None
        meant = f"did you mean `{near}`?" if near else f"there are: {', '.join(clusters[:12]) or 'none in opsbot.yaml'}"
        raise ConfigError(f"which cluster? {meant} Write {USAGE}")
    if len(found.clusters) > 1:
        raise ConfigError(f"{' and '.join(found.clusters)}: one cluster at a time; announce each by itself")
    if found.strange:
        raise ConfigError(f"`{found.strange[:60]}` is not understood; write {USAGE}")
    if found.rate is None:
        raise ConfigError(f"how large is it? Say requests a second: {USAGE}")
    if not 0 < found.rate <= MOST_REQUESTS_PER_S:
        raise ConfigError(f"{found.rate:g} requests a second is no load test; write {USAGE}")
    length_s = DEFAULT_S if found.length_s is None else found.length_s
    if not 60 <= length_s <= MOST_S:
        raise ConfigError("a load test takes from 1 minute to 24 hours; announce the next one then")
    size = Size(found.rate, None if tokens is None else float(tokens[1]))
    return Announced(found.clusters[0], size, length_s, found.expect[:MOST_WORDS], found.reason[:MOST_WORDS])
