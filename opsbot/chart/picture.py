"""A picture as it is sent: the bytes, what a screen reader says of it, and its title."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Theme = Literal["light", "dark"]
"""A picture has its own background, so either is read well wherever it is shown."""
MOST_ALT_CHARS = 2000
"""Slack's limit of an alt text."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG.

    Args:
        alt_text: what the picture shows, in plain sentences; at most MOST_ALT_CHARS.
        title: a few words for a file's or a block's title, plain text.
    """

    png: bytes = field(repr=False)
    alt_text: str
    title: str
