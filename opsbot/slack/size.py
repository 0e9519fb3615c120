"""How much of a message its blocks take: Slack limits all their texts together. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from slack_sdk.models.blocks import Block


def size_of(blocks: Iterable[Block]) -> int:
    """Characters of every text in *blocks* that people are shown or read out, also on buttons and in menus."""
    return sum(_size(block.to_dict()) for block in blocks)


def _size(value: object) -> int:
    if isinstance(value, list | tuple):
        return sum(_size(one) for one in value)
    if isinstance(value, dict):
        own = sum(len(one) for key, one in value.items() if key in ("text", "alt_text") and isinstance(one, str))
        return own + sum(_size(one) for one in value.values())
    return 0
