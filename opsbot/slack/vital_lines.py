"""The two or three numbers that matter for an incident, as a line each, and its chart: what they look like in Slack.

Pure. Every arrow stands beside its word, so that nothing depends on seeing a symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, ImageBlock, PlainTextObject, SectionBlock
from slack_sdk.models.blocks.basic_components import SlackFile

from opsbot.slack.buttons import block_id
from opsbot.slack.text import clock_time, cut, literal, mrkdwn, plain, shorten

MOST_NUMBERS = 3
MAX_NAME = 60
MAX_VALUE = 40
MAX_TREND = 120
MAX_ALT_TEXT = 1000
"""Half of what Slack takes: a message has a limit on all its texts together."""
MAX_LINE = 400
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Number:
    """One number.

    Args:
        name: what is measured, such as `KV cache in use`.
        value: with its unit, such as `93%`.
        trend: where it goes, in words beside the arrow, such as `↗ rising, 71% 10m ago`; empty if nobody can say.
        is_bad: whether that is why people are awake.
    """

    name: str
    value: str
    trend: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What an incident's message shows beside its text.

    Args:
        numbers: empty while they are not known.
        at: when the numbers were read, seconds since the epoch.
        file_id: of the chart; None without one.
    """

    numbers: Sequence[Number] = ()
    at: float = 0.0
    file_id: str | None = None
    alt_text: str = ""
    title: str = ""


def number_line(number: Number) -> str:
    """`KV cache used *93%* ↗ rising, 71% 10m ago · bad`, in mrkdwn."""
    line = f"{literal(shorten(number.name, MAX_NAME))} *{literal(shorten(number.value, MAX_VALUE))}*"
    line += f" {literal(shorten(number.trend, MAX_TREND))}" if number.trend else ""
    return f"{cut(line, MAX_LINE)} · *bad*" if number.is_bad else cut(line, MAX_LINE)


def number_blocks(incident_id: str, shown: Shown) -> Sequence[Block]:
    """The numbers, with when they were read; nothing where nothing is known."""
    if not shown.numbers:
        return []
    lines = [number_line(number) for number in shown.numbers[:MOST_NUMBERS]]
    lines[0] += f" (at {clock_time(shown.at)})"
    return [SectionBlock(block_id=block_id("numbers", incident_id), text=mrkdwn("\n".join(lines)))]


def chart_blocks(incident_id: str, shown: Shown) -> Sequence[Block]:
    """The picture; nothing where there is none."""
    if shown.file_id is None:
        return []
    return [
        ImageBlock(
            block_id=block_id("chart", incident_id),
            slack_file=SlackFile(id=shown.file_id),
            alt_text=plain(shown.alt_text, MAX_ALT_TEXT) or "Chart of the incident",
            title=PlainTextObject(text=plain(shown.title, MAX_TITLE), emoji=False) if shown.title else None,
        )
    ]
