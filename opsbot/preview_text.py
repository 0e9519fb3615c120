"""A look ahead as plain lines for a terminal, made from what core's API answers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def preview_lines(found: Json, width: int = 100) -> Iterator[str]:
    """The whole plan, nothing cut; wrapped to *width* characters."""
    yield from _wrapped(str(found["about"]), width)
    for one in found["in_the_way"]:
        yield from _wrapped(f"! {one}", width, "  ")
    for index, step in enumerate(found["steps"], 1):
        action = f"  ({step['action']})" if step["action"] else ""
        yield from _wrapped(f"{index}. {step['name']}{action}", width)
        for turn in step["turns"]:
            yield f"     {turn['knob']}: {turn['now']} -> {turn['after']}"
        yield from _wrapped(str(step["does"]), width, "     ")
        if step["unread"]:
            yield from _wrapped(f"! {step['unread']}", width, "     ")
        if step["undo"]:
            yield from _wrapped(f"taken back: {step['undo']}", width, "     ")
        if step["arguments"]:
            yield from _wrapped("with " + ", ".join(step["arguments"]), width, "     ")
    yield from _listed(found["afterwards"], width)
    for label, name in (("taken back", "undo"), ("", "by_itself"), ("decides", "who")):
        if found[name]:
            yield from _wrapped(f"{label}: {found[name]}" if label else str(found[name]), width)
    yield f"plan {str(found['digest'])[:12]}"


def _listed(lines: Sequence[str], width: int) -> Iterator[str]:
    for one in lines:
        yield from _wrapped(f"then: {one.removeprefix('Then: ')}", width)


def _wrapped(text: str, width: int, margin: str = "") -> Iterator[str]:
    found = textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=f"{margin}  ", break_on_hyphens=False)
    yield from found or [margin]
