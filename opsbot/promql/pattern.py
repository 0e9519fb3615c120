"""Regular expressions of matchers and `label_replace`: Prometheus's syntax is RE2's, ours is Python's.

What the two read differently is refused when the query is parsed, never evaluated to something else.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

MAX_PATTERN = 500
_ESCAPE = r"(?<!\\)(?:\\\\)*\\"
"""A backslash that is not itself escaped."""
_ONLY_PYTHON = re.compile(_ESCAPE + r"[1-9Z]|\(\?(?:=|!|<=|<!|P=|P>|\()|\(\?#")
"""Back references and looking around, which RE2 does not have."""
_ONLY_RE2 = re.compile(_ESCAPE + r"[pPQEzC]|\[\[:")


class PatternError(ValueError):
    """A pattern is no regular expression, or one that Python reads differently from RE2."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; matched in full, since Prometheus anchors its own.

    Raises: PatternError.
    """
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"a pattern of more than {MAX_PATTERN} characters is not supported by the own scraper")
    if _ONLY_PYTHON.search(pattern) or _ONLY_RE2.search(pattern):
        raise PatternError(f"the pattern {pattern!r} is not supported by the own scraper; use plain classes and groups")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(pattern)
    except (re.error, FutureWarning, RecursionError, OverflowError) as error:
        raise PatternError(f"the pattern {pattern!r} cannot be used: {error}") from error
