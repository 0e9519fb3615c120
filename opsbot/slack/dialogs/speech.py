"""Sentences of the domain as a dialog shows them: people by name, never as a mention, and everything escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opsbot.slack.spoken_here import typed_here
from opsbot.slack.text import escape

Named = Mapping[str, str]
"""Names by Slack user id."""

_PERSON = re.compile(r"<@([UW][A-Z0-9]{2,})(?:\|[^>]*)?>|(?<![\w@])([UW][A-Z0-9]{5,})(?!\w)")


def people_in(text: str) -> tuple[str, ...]:
    """Ids of people in *text*, each once."""
    return tuple(dict.fromkeys(found[1] or found[2] for found in _PERSON.finditer(text)))


def spoken(text: str, named: Named) -> str:
    """*text* in mrkdwn, with names instead of ids as far as they are known, and `/ops` before what is to be typed."""
    return typed_here(escape(plainly(text, named)))


def plainly(text: str, named: Named) -> str:
    """The same as plain text."""
    return _PERSON.sub(lambda found: named.get(found[1] or found[2], found[1] or found[2]), text)
