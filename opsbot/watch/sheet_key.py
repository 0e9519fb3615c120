"""The keys of sample sheets as text, as the history's file has them."""

from __future__ import annotations

import json
from collections.abc import Hashable


def key_text(key: Hashable) -> str:
    """A key, tuples of texts within tuples, as one text."""
    return json.dumps(key, separators=(",", ":"), ensure_ascii=False, default=str)


def key_of(text: str) -> Hashable:
    """The key that a text stands for; of a text that is none, the text itself."""
    try:
        return _frozen(json.loads(text))
    except ValueError:
        return text


def _frozen(value: object) -> Hashable:
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    assert isinstance(value, Hashable)
    return value
