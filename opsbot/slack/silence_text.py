"""How a silence is typed: `2h alertname="TargetDown" cluster=eu-1 because the rack is being moved`.

Quotes may be left out and may be curly, since Slack's own editor turns them so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsbot.errors import ConfigError
from opsbot.yamlfile import parse_duration

USAGE = '`/ops silence 2h alertname="TargetDown" cluster="eu-1" because …`'

_MATCHER = re.compile(r"""\s*,?\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))""")
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"'})


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
    length, _, rest = text.translate(_CURLY).strip().partition(" ")
    try:
        length_s = parse_duration(length)
    except ValueError as error:
        raise ConfigError(f"a silence begins with how long it lasts: {USAGE}") from error
    matchers: list[str] = []
    while (found := _MATCHER.match(rest)) is not None:
        name, operator, quoted, bare = found.groups()
        value = quoted if quoted is not None else bare.replace("\\", "\\\\")
        matchers.append(f'{name}{operator}"{value}"')
        rest = rest[found.end() :]
    if not matchers:
        raise ConfigError(f"a silence says which alerts, by their labels: {USAGE}")
    reason = re.sub(r"^[\s,;:-]*(because\b)?[\s:]*", "", rest, flags=re.IGNORECASE).strip()
    return AskedSilence(length_s, tuple(matchers), reason)
