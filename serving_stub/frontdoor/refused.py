"""Whether an answer refuses to talk about what was asked, told from how it begins.

A heuristic: models say no in their first words, in few ways. It reads the first characters only, in English and German,
Spanish, French and Japanese, and misses a refusal that comes late or in other words; policies count it over many
requests. What was read is forgotten.
"""

from __future__ import annotations

from typing import Any

import re2

NUM_READ = 160
"""Characters of an answer that are read."""

_OPENINGS = (
    r"(i'?m|i am|we'?re) (really |very |so )?(sorry|afraid)[^.!?]{0,40}(can'?t|cannot|can not|unable|won'?t|not able)",
    r"(sorry|apologies|unfortunately)[,.]? (but )?(i|we) (can'?t|cannot|won'?t|am unable|'?m unable|am not able)",
    r"i (can'?t|cannot|can not|won'?t|will not|must decline|have to decline|am unable to|'?m unable to|'?m not able to)"
    r" (to )?(help|assist|provide|do|comply|fulfil|answer|discuss|share|give|create|write|engage|support|continue)",
    r"as an ai( language model)?,? i (can'?t|cannot|am unable|'?m unable|do not|don'?t)",
    r"es tut mir leid[^.!?]{0,40}(kann|darf)",
    r"(lo siento|lamento)[^.!?]{0,40}(no puedo|no podemos)",
    r"(je suis )?d[eé]sol[eé][^.!?]{0,40}(ne peux|ne puis)",
    r"申し訳(ありません|ございません)",
)
_FINISH = "content_filter"


def is_refusal(opening: str, finish_reason: str | None) -> bool | None:
    """Whether an answer that begins with *opening* is a refusal; None where there is nothing to read."""
    if finish_reason == _FINISH:
        return True
    text = opening[:NUM_READ].replace("’", "'").strip()
    if not text:
        return None
    return _AUTOMATON.match(text) is not None


def _compiled() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = False
    return re2.compile(r"\W{0,5}(" + "|".join(_OPENINGS) + ")", options)


_AUTOMATON = _compiled()
