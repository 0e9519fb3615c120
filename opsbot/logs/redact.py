"""Takes secrets out of texts that are about to be logged.

Two nets: the values that the environment holds for this process, wherever they turn up, and what looks like a
credential whoever made it. It is the last thing before a line is written, so that a library's own words, a traceback
and an address with a token in it pass through it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

HIDDEN = "[redacted]"
MIN_SECRET_CHARS = 6
"""A shorter value is a word: taking it out would make lines unreadable, and tell what it is."""

_NAMES = r"(?:api|access|secret|private|integration|routing|signing)[_-]?key|token|secret|password|passwd|credentials?"
_PATTERNS = (
    # Authorization: Basic …, in headers as in the repr of a dict.
    (re.compile(r"""(?i)(\bauthorization["']?\s*[:=]\s*["']?(?:\w+\s+)?)[^\s"',;}`]{4,}+(?!`)"""), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{6,}"), rf"\1{HIDDEN}"),
    # Slack's own forms, and the common one of API keys.
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w-]{4,}"), HIDDEN),
    (re.compile(r"\bsk-[\w-]{12,}"), HIDDEN),
    (re.compile(r"(\bhooks\.slack\.com/(?:services|workflows|triggers)/)[^\s\"']+"), rf"\1{HIDDEN}"),
    # https://user:password@host
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@"), rf"\1{HIDDEN}@"),
    # token=…, "api_key": "…", password: …
    (re.compile(rf"""(?i)((?:\b|_)(?:{_NAMES})["']?\s*[=:]\s*["']?)[^\s"',;&}})]{{4,}}"""), rf"\1{HIDDEN}"),
)


class Redactor:
    """Replaces secrets in a text.

    Args:
        secrets: values that must never be seen; those shorter than six characters are left to the patterns.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= MIN_SECRET_CHARS}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


def secret_values(settings: object, environ: Mapping[str, str]) -> frozenset[str]:
    """The values of every variable that *settings* name: each key that ends in `_env`, at any depth.

    Args:
        settings: plain mappings and sequences, as a model dumps itself.
    """
    found: set[str] = set()
    waiting = [settings]
    while waiting:
        match waiting.pop():
            case Mapping() as section:
                for name, value in section.items():
                    if isinstance(value, str) and str(name).endswith("_env"):
                        found.add(environ.get(value, ""))
                    else:
                        waiting.append(value)
            case list() | tuple() as several:
                waiting += several
    return frozenset(found - {""})
