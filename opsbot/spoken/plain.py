"""What somebody typed, made plain before it is read: quotes, dashes and spaces as a keyboard has them, and bounded."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from opsbot.errors import ConfigError

MOST_CHARS = 2000
"""Of one command; a longer story belongs into a thread."""
MOST_REASON = 500
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("‐‑‒–—−﹣－", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u3000\t\r\n\v\f", " "),
        **dict.fromkeys("％﹪", "%"),
        "`": None,
    }
)
_LINK = re.compile(r"<([@#!]?)([^<>|\s]+)(?:\|([^<>]*))?>")
"""A person, a channel or an address as Slack writes it into a command."""
_UNSEEN = re.compile(r"[\u0000-\u0008\u000e-\u001f\u007f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what stands behind them."""


def plain(text: str) -> str:
    """*text* with one kind of quotes, dashes and spaces; letters of any script and emoji stay.

    Raises: ConfigError if it is too long.
    """
    if len(text) > MOST_CHARS:
        raise ConfigError(
            f"that are {len(text):,} characters, and a command takes at most {MOST_CHARS:,}: "
            "write the long story into the incident's thread, and a short reason here"
        )
    text = _LINK.sub(lambda found: found[3] or f"{found[1] or ''}{found[2]}", text)
    for escaped, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, sign)
    return re.sub(r" {2,}", " ", _UNSEEN.sub("", text).translate(_ALIKE)).strip()


def spoken_reason(text: str) -> str:
    """A reason without what leads to it and without quotes around it; raises ConfigError if it is too long."""
    reason = text.strip(" ,;:-")
    if len(reason) > 1 and reason[0] == reason[-1] and reason[0] in "\"'":
        reason = reason[1:-1].strip()
    if len(reason) > MOST_REASON:
        raise ConfigError(f"the reason has {len(reason)} characters, at most {MOST_REASON} are kept: shorten it")
    return reason


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of *known* that was probably meant; None if none is near."""
    by_key = {key_of(one): one for one in known}
    near = difflib.get_close_matches(key_of(word), by_key, n=1, cutoff=0.6)
    return by_key[near[0]] if near else None


def key_of(word: str) -> str:
    """What of a name counts: letters and digits, whatever their case."""
    return re.sub(r"[\W_]+", "", word.casefold())
