"""What a message says about itself: that it comes late, and why; that it stands for more than it shows. Pure."""

from __future__ import annotations

from dataclasses import replace

from slack_sdk.models.blocks import Block, ContextBlock

from opsbot.notify.outbox import Late, OutboxItem
from opsbot.slack.limits import MAX_BLOCKS, MAX_MESSAGE_TEXT
from opsbot.slack.saying import Content
from opsbot.slack.text import duration, escape, mrkdwn, shorten

MAX_WHY = 200


def with_remarks(content: Content, item: OutboxItem) -> Content:
    """*content* with what is to be said about *item*; as it is where that is nothing."""
    lines = []
    if item.late is not None:
        lines.append(late_line(item.late))
    if item.carried:
        lines.append(carried_line(item))
    if not lines:
        return content
    said = "\n".join(lines)
    text = f"{shorten(content.text, MAX_MESSAGE_TEXT - len(said) - 1)}\n{said}"
    if content.blocks is None:
        return replace(content, text=text)
    blocks: tuple[Block, ...] = (*content.blocks[: MAX_BLOCKS - 1], ContextBlock(elements=[mrkdwn(said)]))
    return replace(content, text=text, blocks=blocks)


def late_line(late: Late) -> str:
    """`said 12 min late: Slack could not be reached`, in mrkdwn."""
    why = f": {escape(shorten(late.why, MAX_WHY))}" if late.why else ""
    return f"_said {duration(late.by_s)} late{why}_"


def carried_line(item: OutboxItem) -> str:
    """For an incident that opened and ended before it could be said: that it has a timeline, and where to read it."""
    count = len(item.carried)
    of = f"{count} entr{'y' if count == 1 else 'ies'} of its timeline"
    return f"It opened and ended before it could be said; {of}: `opsbot incident {escape(item.incident_id)}`"


def lower_first(sentence: str) -> str:
    """*sentence* as it stands in the middle of another one; Slack keeps its capital."""
    return sentence if sentence.startswith("Slack") else sentence[:1].lower() + sentence[1:]
