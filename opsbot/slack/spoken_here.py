"""Sentences of core as Slack shows them: what is to be typed has `/ops` before it, and people have their names."""

from __future__ import annotations

import re

from opsbot.slack.text import escape, person
from opsbot.spoken.verbs import VERBS

_NAMES = "|".join(sorted((re.escape(word) for one in VERBS for word in (one.name, one.in_command_line)), reverse=True))
_TYPED = re.compile(rf"`({_NAMES})(?=[ `])")
_USER = re.compile(r"(?<![\w@<])@?\b([UW][A-Z0-9]{7,})\b(?!\w)")


def as_typed_here(text: str) -> str:
    """In mrkdwn; everything from outside is escaped."""
    return _USER.sub(lambda found: person(found[1]), typed_here(escape(text)))


def typed_here(escaped: str) -> str:
    """Escaped text, with `/ops` before what is to be typed."""
    return _TYPED.sub(r"`/ops \1", escaped)
