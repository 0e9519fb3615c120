"""How long something may last, as every dialog offers it: what is submitted, and what people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import Option, StaticSelectElement

WORDS: Mapping[str, str] = {
    "1m": "1 minute", "2m": "2 minutes", "5m": "5 minutes", "10m": "10 minutes", "15m": "15 minutes",
    "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours", "1d": "1 day",
}  # fmt: skip
LOAD_TEST: Sequence[str] = ("1m", "2m", "5m", "10m")
CHANGE: Sequence[str] = ("10m", "15m", "30m", "1h", "2h", "4h")
"""Of what changes a cluster."""
HOLD: Sequence[str] = ("30m", "1h", "2h", "4h", "8h", "1d")
"""Of a hold."""
SILENCE: Sequence[str] = ("15m", "30m", "1h", "2h", "4h", "8h", "1d")
"""Of a silence."""


def length_select(action_id: str, lengths: Sequence[str], usual: str) -> StaticSelectElement:
    """A menu of *lengths*; *usual* is chosen if it is one of them."""
    options = {one: Option(text=WORDS[one], value=one) for one in lengths}
    return StaticSelectElement(action_id=action_id, options=list(options.values()), initial_option=options.get(usual))
