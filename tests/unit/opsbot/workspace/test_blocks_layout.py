"""What Slack refuses in blocks, in its own words."""

from __future__ import annotations

import pytest

from tests.support.block_parts import Block, mrkdwn, plain, problems, section

IMAGE = {"type": "image", "alt_text": "a", "image_url": "https://x.example"}
RAW = {"type": "raw_text", "text": "a"}
PARAGRAPH = {"type": "rich_text_section", "elements": []}

REFUSED = [
    ("section text", section(text=mrkdwn("x" * 3001)), "must be less than 3001 characters", "/text/text"),
    ("empty text", section(text=mrkdwn("")), "must be more than 0 characters", "/text/text"),
    ("text as a string", section(text="x"), "must provide an object", "/text"),
    ("text of no type", section(text={"text": "x"}), "missing required field: type", "/text"),
    ("text of another type", section(text={"type": "md", "text": "x"}), "unsupported type: md", "/text/type"),
    ("nothing in a section", {"type": "section"}, "missing required field: text", ""),
    ("fields", section(fields=[mrkdwn("x")] * 11), "no more than 10 items allowed", "/fields"),
    ("no fields", section(fields=[]), "must provide at least 1 items", "/fields"),
    ("a field", section(fields=[mrkdwn("x" * 2001)]), "must be less than 2001 characters", "/fields/0/text"),
    ("header", {"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters", "/text/text"),
    ("markup in a header", {"type": "header", "text": mrkdwn("x")}, "must be a valid enum value", "/text/type"),
    ("block id", {"type": "divider", "block_id": "x" * 256}, "must be less than 256 characters", "/block_id"),
    ("a field of no block", {"type": "divider", "colour": 1}, "invalid additional property: colour", ""),
    ("context", {"type": "context", "elements": [mrkdwn("x")] * 11}, "no more than 10 items allowed", "/elements"),
    ("empty context", {"type": "context", "elements": []}, "must provide at least 1 items", "/elements"),
    (
        "picture without words",
        {"type": "image", "image_url": "https://x.example"},
        "missing required field: alt_text",
        "",
    ),
    (
        "picture of nothing",
        {"type": "image", "alt_text": "a"},
        "must provide exactly one of `image_url` and `slack_file`",
        "",
    ),
    (
        "picture of two",
        {**IMAGE, "slack_file": {"id": "F1"}},
        "must provide exactly one of `image_url` and `slack_file`",
        "",
    ),
    (
        "file of two names",
        {"type": "image", "alt_text": "a", "slack_file": {}},
        "must provide exactly one of `id` and `url`",
        "/slack_file",
    ),
    ("alt text", {**IMAGE, "alt_text": "x" * 2001}, "must be less than 2001 characters", "/alt_text"),
    ("image url", {**IMAGE, "image_url": "x" * 3001}, "must be less than 3001 characters", "/image_url"),
    ("image title", {**IMAGE, "title": plain("x" * 2001)}, "must be less than 2001 characters", "/title/text"),
    ("input of nothing", {"type": "input", "label": plain("l")}, "missing required field: element", ""),
    ("markdown", {"type": "markdown", "text": "x" * 12_001}, "must be less than 12001 characters", "/text"),
    (
        "video title",
        {"type": "video", "alt_text": "a", "title": plain("x" * 201), "thumbnail_url": "u", "video_url": "u"},
        "must be less than 201 characters",
        "/title/text",
    ),
    (
        "video without a picture",
        {"type": "video", "alt_text": "a", "title": plain("t"), "video_url": "u"},
        "missing required field: thumbnail_url",
        "",
    ),
    ("file source", {"type": "file", "external_id": "x", "source": "local"}, "must be a valid enum value", "/source"),
    ("table rows", {"type": "table", "rows": [[RAW]] * 101}, "no more than 100 items allowed", "/rows"),
    ("table columns", {"type": "table", "rows": [[RAW] * 21]}, "no more than 20 items allowed", "/rows/0"),
    (
        "table settings",
        {"type": "table", "rows": [[RAW]], "column_settings": [{}] * 21},
        "no more than 20 items allowed",
        "/column_settings",
    ),
    (
        "empty cell",
        {"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]},
        "must be more than 0 characters",
        "/rows/0/0/text",
    ),
    (
        "rich text inside",
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}]},
        "must be more than 0 characters",
        "/elements/0/elements/0/text",
    ),
    (
        "rich list",
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [PARAGRAPH], "indent": 9}],
        },
        "must be less than or equal to 8",
        "/elements/0/indent",
    ),
    (
        "everybody",
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "broadcast", "range": "all"}]}],
        },
        "must be a valid enum value",
        "/elements/0/elements/0/range",
    ),
    ("no such block", {"type": "card_deck"}, "unsupported type: card_deck", "/type"),
    ("no type", {"text": plain("x")}, "missing required field: type", ""),
    ("no object", "divider", "must provide an object", ""),
]


@pytest.mark.parametrize(("block", "sentence", "place"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_a_mistake_is_named_in_slacks_words_with_its_place(block: Block, sentence: str, place: str) -> None:
    """One mistake, one sentence, with the JSON pointer."""
    assert problems([{"type": "divider"}, block]) == (f"{sentence} [json-pointer:/blocks/1{place}]",)
