"""Reports and load tests as blocks: within Slack's limits, and harmless whatever their words are."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

from opsbot.chart.picture import Picture
from opsbot.slack.limits import MAX_MESSAGE_TEXT
from opsbot.slack.report.blocks import load_test_message, report_message, table
from opsbot.utilisation.load_test import Expected, LoadTest, Size
from opsbot.utilisation.report import Report, Row
from opsbot.workspace.blocks import check_blocks

UTC = ZoneInfo("UTC")
NASTY = "<!channel> <@U0BOSS> *bold* `code` & ``` \u202eevil"
NOW = 1_790_000_400.0


def report(words: str, *, num_rows: int = 3, file_id: str | None = "F1") -> Report:
    """One whose every text is *words*."""
    rows = tuple(Row(words, "1.2M", "50%") for _ in range(num_rows))
    picture = Picture(b"", words, words)
    return Report(
        "post:1", "post", NOW, NOW, words, (words, words), rows, ("tok/min", "full"), (words,), {}, picture, file_id
    )


def load_test(words: str) -> LoadTest:
    """Likewise."""
    expected = Expected(1e3, 2e3, 1e4, 5.0, words)
    return LoadTest(1, "x", words, Size(5, 80), expected, "U0ONCALL", "Slack", NOW, NOW + 60, 60, reason=words)


def test_nothing_in_a_report_pings_or_formats() -> None:
    """Neither in its text nor in a block."""
    for message in (report_message(report(NASTY)), load_test_message(load_test(NASTY), NOW, UTC)):
        said = json.dumps([message.text, [block.to_dict() for block in message.blocks]], ensure_ascii=False)
        assert "<!channel>" not in said
        assert "<@U0BOSS>" not in said
        assert "\u202e" not in said


def test_a_report_stays_within_the_limits() -> None:
    """Of the text and of each block, as the workspace checks them."""
    long = "a very long cluster name " * 400
    for message in (report_message(report(long, num_rows=15)), load_test_message(load_test(long), NOW, UTC)):
        assert len(message.text) <= MAX_MESSAGE_TEXT
        check_blocks([block.to_dict() for block in message.blocks])


def test_the_text_alone_has_everything() -> None:
    """A screen reader and a notification need neither blocks nor picture."""
    message = report_message(report("words", file_id=None))
    assert message.text == "words\nwords\nwords\nwords: 1.2M tok/min, 50%; words: 1.2M tok/min, 50%; " + (
        "words: 1.2M tok/min, 50%\nwords"
    )
    assert [block.type for block in message.blocks] == ["header", "section", "section", "context"]


def test_a_table_is_as_narrow_as_a_phone() -> None:
    """And cannot be left by its words."""
    made = table([Row("a cluster with a long name ```", "1.21M", "100%")], ("tok/min", "full"))
    lines = made.strip("`").splitlines()
    assert max(map(len, lines)) <= 37
    assert made.count("```") == 2
