"""A long answer as blocks that Slack takes: cut between paragraphs, else between lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks import Block, ContextBlock, SectionBlock

from opsbot.slack.limits import MAX_BLOCKS, MAX_BLOCKS_TEXT
from opsbot.slack.text import mrkdwn, shorten

MAX_PART = 2800
"""Characters of one section; less than Slack's limit, so that a fixed-width block can be closed."""
ROOM = MAX_BLOCKS_TEXT - 1000
"""A picture with its words may stand below."""
FIXED = "```"


def answer_blocks(text: str, most: int = MAX_BLOCKS - 5, room: int | None = ROOM) -> Sequence[Block]:
    """*text*, which is mrkdwn, in at most *most* blocks; what does not fit is counted.

    Args:
        room: characters of all of them together; None in a dialog, where Slack has no such limit.
    """
    blocks: list[Block] = []
    parts = list(_parts(text))
    for part in parts[:most]:
        room = None if room is None else room - len(part)
        if room is not None and room < 0:
            break
        blocks.append(SectionBlock(text=mrkdwn(part)))
    if len(parts) > len(blocks):
        rest = len(parts) - len(blocks)
        words = f"… and {rest} more part{'' if rest == 1 else 's'}; `opsbot` at a terminal has all"
        blocks.append(ContextBlock(elements=[mrkdwn(words)]))
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
