"""A hold as it is typed: `eu-1/batch_limit 1h why`, `eu-1 batch for 1 hour because why`, `eu-1 30 min`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsbot.errors import ConfigError
from opsbot.spoken.ids import reason_in
from opsbot.spoken.length import LENGTH, length_of
from opsbot.spoken.plain import key_of, nearest

USAGE = "`hold eu-1/batch_limit 1h why`"
_KNOBS = {
    "batch": "batch_limit",
    "batches": "batch_limit",
    "batchlimit": "batch_limit",
    "tokenbudget": "token_budget",
    "budget": "token_budget",
    "shed": "shed",
    "shedding": "shed",
    "failwhale": "failwhale",
    "fallback": "fallback_prompt",
    "fallbackprompt": "fallback_prompt",
    "route": "route",
    "drain": "drain",
    "fence": "fence",
    "throttle": "throttle",
    "block": "block",
    "all": "*",
    "everything": "*",
    "knobs": "*",
}


def read_hold(text: str, clusters: Sequence[str]) -> tuple[str, float, str]:
    """The pattern, the length in seconds, and the reason.

    Args:
        clusters: those there are; empty if that is not known, and then the pattern stands as it was typed.

    Raises: ConfigError, with how to write it.
    """
    word, _, rest = text.strip().partition(" ")
    if not word:
        raise ConfigError(f"which knob? {USAGE}; `hold eu-1 1h why` holds every knob of the cluster")
    pattern, rest = _pattern(word, rest.strip(), clusters)
    found = LENGTH.match(rest)
    if found is None:
        found = LENGTH.search(rest)
        if found is None:
            raise ConfigError(f"for how long? {USAGE}")
    before, after = rest[: found.start()], rest[found.end() :]
    return pattern, length_of(found), reason_in(f"{reason_in(before)} {reason_in(after)}".strip())


def _pattern(word: str, rest: str, clusters: Sequence[str]) -> tuple[str, str]:
    cluster, slash, knob = word.partition("/")
    if slash:
        return f"{_cluster(cluster, clusters)}/{_KNOBS.get(key_of(knob), knob)}", rest
    named, _, more = rest.partition(" ")
    knob = _KNOBS.get(key_of(named), "") if named and not LENGTH.match(rest) else ""
    return f"{_cluster(cluster, clusters)}/{knob or '*'}", more.strip() if knob else rest


def _cluster(word: str, clusters: Sequence[str]) -> str:
    if "*" in word or not clusters or word == "lock":
        return word
    found = next((one for one in clusters if key_of(one) == key_of(word)), None)
    if found is not None:
        return found
    near = nearest(word, clusters)
    meant = f"; did you mean `{near}`?" if near else f"; there are: {', '.join(clusters[:12])}"
    raise ConfigError(f"there is no cluster `{re.sub('`', '', word)[:40]}`{meant}")
