"""A report, and a load test, as Slack messages. Pure; every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    ImageBlock,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.blocks.basic_components import SlackFile

from opsbot.slack.blocks import Message
from opsbot.slack.buttons import block_id, confirm
from opsbot.slack.limits import MAX_MESSAGE_TEXT
from opsbot.slack.text import escape, literal, mrkdwn, person, plain, shorten
from opsbot.utilisation.load_test import LoadTest
from opsbot.utilisation.load_test_words import lines, size_words
from opsbot.utilisation.load_test_words import title as test_title
from opsbot.utilisation.report import Report, Row

STOP, CLOSE = "loadtest.stop", "loadtest.close"
MAX_HEADER = 150
MAX_SECTION = 2900
MAX_ALT = 1900
NAME_CHARS = 16
MOST_TOLD_ROWS = 8


def report_message(report: Report) -> Message:
    """The post; its text alone says everything that the blocks and the picture do."""
    told = [report.title, *report.lines, *_told(report.rows, report.columns[0]), *report.notes]
    blocks: list[Block] = [
        _header("title", report.key, report.title),
        SectionBlock(block_id=block_id("lines", report.key), text=mrkdwn(_section(report.lines))),
    ]
    if report.file_id is not None and report.picture is not None:
        blocks.append(_image(report.key, report.file_id, report.picture.alt_text, report.picture.title))
    if report.rows:
        blocks.append(
            SectionBlock(block_id=block_id("rows", report.key), text=mrkdwn(table(report.rows, report.columns)))
        )
    if report.notes:
        blocks.append(
            ContextBlock(block_id=block_id("notes", report.key), elements=[mrkdwn(_section(report.notes, " "))])
        )
    return Message(_text(told), tuple(blocks), report.file_id)


def load_test_message(test: LoadTest, now: float, zone: ZoneInfo) -> Message:
    """The load test as it stands; with its buttons while it is open."""
    reference = str(test.number)
    said = [literal(line) for line in lines(test, now, zone)]
    said[1:1] = [f"{_who(test)} {literal(size_words(test.size))}."]
    name = test_title(test)
    blocks: list[Block] = [
        _header("load_test", reference, name),
        SectionBlock(block_id=block_id("lines", reference), text=mrkdwn(shorten("\n".join(said), MAX_SECTION))),
    ]
    if test.file_id is not None:
        blocks.append(_image(reference, test.file_id, test.alt_text, f"Load test {test.number}"))
    if test.is_open:
        blocks.append(_buttons(test))
    text = shorten("\n".join((literal(name), *said)), MAX_MESSAGE_TEXT)
    return Message(text, tuple(blocks), test.file_id)


def table(rows: Sequence[Row], columns: tuple[str, str]) -> str:
    """In fixed width, narrower than a phone."""
    made = [f"{'':<{NAME_CHARS}} {columns[0]:>10} {columns[1]:>8}"]
    for row in rows:
        # Backticks would end the table.
        name = plain(row.name, 60).replace("`", "'")
        name = name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
        made.append(f"{name:<{NAME_CHARS}} {row.amount:>10} {row.share:>8}".rstrip())
    return "```" + escape("\n".join(made)) + "```"


def _who(test: LoadTest) -> str:
    by = f"By {person(test.by)}"
    if test.closed_by is not None and test.how in ("stopped", "finished") and test.closed_by != test.by:
        verb = "stopped" if test.how == "stopped" else "closed"
        by += f", {verb} by {person(test.closed_by)}"
    return f"{by}:"


def _told(rows: Sequence[Row], unit: str) -> Sequence[str]:
    shown = [f"{row.name}: {row.amount} {unit}{f', {row.share}' if row.share else ''}" for row in rows[:MOST_TOLD_ROWS]]
    more = f" … and {len(rows) - MOST_TOLD_ROWS} more" if len(rows) > MOST_TOLD_ROWS else ""
    return [f"{'; '.join(shown)}{more}"] if shown else []


def _text(told: Sequence[str]) -> str:
    return shorten("\n".join(literal(line) for line in told), MAX_MESSAGE_TEXT)


def _section(said: Sequence[str], between: str = "\n") -> str:
    return shorten(literal(between.join(said)), MAX_SECTION)


def _header(kind: str, reference: str, title: str) -> HeaderBlock:
    return HeaderBlock(block_id=block_id(kind, reference), text=PlainTextObject(text=plain(title, MAX_HEADER)))


def _image(reference: str, file_id: str, alt_text: str, title: str) -> ImageBlock:
    return ImageBlock(
        block_id=block_id("chart", reference),
        slack_file=SlackFile(id=file_id),
        alt_text=plain(alt_text, MAX_ALT) or title,
        title=PlainTextObject(text=plain(title, MAX_HEADER)),
    )


def _buttons(test: LoadTest) -> ActionsBlock:
    if test.run_id is None:
        stops = (
            f"Closes load test {test.number} here, and calls whoever runs it by name to end it: it runs elsewhere, "
            "where the bot cannot stop it. There is no undo; announce it again."
        )
    else:
        stops = (
            f"Ends load test {test.number} on {test.cluster} at once, and its run with it. Users of the cluster feel "
            "nothing but less load. There is no undo; start it again."
        )
    elements = [
        ButtonElement(
            text="Stop it",
            action_id=STOP,
            value=str(test.number),
            style="danger",
            confirm=confirm("Stop this load test?", stops, "Stop it", "Let it run", style="danger"),
        )
    ]
    if test.run_id is None:
        closes = "Says that it is over, with what the cluster showed meanwhile. Nothing is stopped by it."
        elements.append(
            ButtonElement(
                text="It is over",
                action_id=CLOSE,
                value=str(test.number),
                confirm=confirm("Close this load test?", closes, "It is over", "Not yet"),
            )
        )
    return ActionsBlock(block_id=block_id("load_test_buttons", str(test.number)), elements=elements)
