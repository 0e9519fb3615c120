"""How a silence is typed: `2h alertname="TargetDown" cluster=eu-1 because the rack is being moved`.

The length and the labels may stand in any order; quotes may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsbot.errors import ConfigError
from opsbot.spoken.ids import reason_in
from opsbot.spoken.length import LENGTH, length_of
from opsbot.spoken.plain import plain

USAGE = '`/ops silence 2h alertname="TargetDown" cluster="eu-1" because …`'

_MATCHER = re.compile(r"""\s*,?\s*\b([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))""")
_BECAUSE = re.compile(r"(?:^|\s)because\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskedSilence:
    """A silence as somebody typed it; the length in seconds."""

    length_s: float
    matchers: tuple[str, ...]
    reason: str


def read_silence(text: str) -> AskedSilence:
    """What *text* asks for.

    Raises: ConfigError, with how to write it.
    """
    text = plain(text)
    cut = _BECAUSE.search(text)
    head, tail = (text, "") if cut is None else (text[: cut.start()], text[cut.end() :])
    matchers: list[str] = []
    at = 0
    said: list[str] = []
    length_s: float | None = None
    while at < len(head):
        if (found := _MATCHER.match(head, at)) is not None and not said:
            matchers.append(_matcher(found))
            at = found.end()
        elif length_s is None and not said and (found := LENGTH.match(head, at)) is not None:
            length_s = length_of(found)
            at = found.end()
        elif head[at].isspace() or head[at] in ",;":
            at += 1
        else:
            # From the first word that is neither on it is the reason.
            said.append(head[at:])
            break
    if length_s is None:
        raise ConfigError(f"a silence says how long it lasts: {USAGE}")
    if not matchers:
        raise ConfigError(f"a silence says which alerts, by their labels: {USAGE}")
    return AskedSilence(length_s, tuple(matchers), reason_in(" ".join([*said, tail]).strip()))


def _matcher(found: re.Match[str]) -> str:
    name, operator, quoted, bare = found.groups()
    value = quoted if quoted is not None else bare.replace("\\", "\\\\")
    return f'{name}{operator}"{value}"'
