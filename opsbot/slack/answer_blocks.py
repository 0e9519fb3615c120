"""A long answer as blocks that Slack takes: cut between paragraphs, else between lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks import Block, ContextBlock, SectionBlock

from opsbot.slack.limits import MAX_BLOCKS
from opsbot.slack.text import mrkdwn, shorten

MAX_PART = 2800
"""Characters of one section; less than Slack's limit, so that a fixed-width block can be closed."""
FIXED = "```"


def answer_blocks(text: str, most: int = MAX_BLOCKS - 5) -> Sequence[Block]:
    """*text*, which is mrkdwn, in at most *most* blocks; what does not fit is counted."""
    parts = list(_parts(text))
    blocks: list[Block] = [SectionBlock(text=mrkdwn(part)) for part in parts[:most]]
    if len(parts) > most:
        blocks.append(
            ContextBlock(elements=[mrkdwn(f"… and {len(parts) - most} more parts; `opsbot` at a terminal has all")])
        )
    return blocks


def _parts(text: str) -> Iterator[str]:
    held = ""
    for paragraph in text.split("\n\n"):
        if not paragraph.strip():
            continue
        if held and len(held) + len(paragraph) + 2 > MAX_PART:
            yield held
            held = ""
        if len(paragraph) > MAX_PART:
            if held:
                yield held
                held = ""
            yield from _by_lines(paragraph)
            continue
        held = f"{held}\n\n{paragraph}" if held else paragraph
    if held:
        yield held


def _by_lines(paragraph: str) -> Iterator[str]:
    held: list[str] = []
    size = 0
    is_fixed = False
    for line in paragraph.split("\n"):
        line = shorten(line, MAX_PART)
        if held and size + len(line) + 1 > MAX_PART:
            yield "\n".join(held) + (FIXED if is_fixed else "")
            held, size = ([FIXED] if is_fixed else []), 0
        held.append(line)
        size += len(line) + 1
        if line.count(FIXED) % 2:
            is_fixed = not is_fixed
    if held:
        yield "\n".join(held)
