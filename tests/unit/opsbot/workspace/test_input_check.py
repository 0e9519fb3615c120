"""What Slack's client refuses before it sends."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.workspace.input_check import REQUIRED, problems
from opsbot.workspace.surface import STATEFUL, values
from tests.support.page_user import field, text


def problem(content: object, **block: Any) -> str:
    """Of one input."""
    made = field("one", **block)
    given = {"one": {"it": {STATEFUL[made["element"]["type"]][0]: content}}}
    return problems([made], values([made], given)).get("one", "")


@pytest.mark.parametrize("content", ["", " \n", None])
def test_a_required_field_needs_something(content: str | None) -> None:
    """Blanks are nothing; an optional one may be empty."""
    assert problem(content) == REQUIRED
    assert problem(content, optional=True) == ""


@pytest.mark.parametrize(
    ("content", "block", "is_good"),
    [
        ("abc", {"min_length": 3}, True),
        ("ab", {"min_length": 3}, False),
        ("abc", {"max_length": 3}, True),
        ("abcd", {"max_length": 3}, False),
        ("", {"min_length": 3, "optional": True}, True),
        ("12", {"kind": "number_input"}, True),
        ("1.5", {"kind": "number_input"}, False),
        ("1.5", {"kind": "number_input", "is_decimal_allowed": True}, True),
        ("NaN", {"kind": "number_input", "is_decimal_allowed": True}, False),
        ("Infinity", {"kind": "number_input", "is_decimal_allowed": True}, False),
        ("twelve", {"kind": "number_input"}, False),
        ("0", {"kind": "number_input", "min_value": "1"}, False),
        ("0", {"kind": "number_input", "max_value": "0"}, True),
        ("11", {"kind": "number_input", "max_value": "10"}, False),
        ("-5", {"kind": "number_input", "min_value": "-5"}, True),
        ("a@b.example", {"kind": "email_text_input"}, True),
        ("a@b", {"kind": "email_text_input"}, False),
        ("a b@c.example", {"kind": "email_text_input"}, False),
        ("https://example.org/x", {"kind": "url_text_input"}, True),
        ("example.org", {"kind": "url_text_input"}, False),
        ("javascript:alert(1)", {"kind": "url_text_input"}, False),
        ("http://[", {"kind": "url_text_input"}, False),
    ],
)
def test_texts_are_checked_by_their_kind(content: str, block: dict[str, Any], is_good: bool) -> None:
    """Lengths, numbers with their limits, addresses."""
    assert (problem(content, **block) == "") == is_good


def test_a_menu_needs_a_choice_and_not_too_many() -> None:
    """`max_selected_items` holds."""
    options = [{"text": text(name), "value": name} for name in ("a", "b")]
    menu = {"kind": "multi_static_select", "options": options, "max_selected_items": 1}
    assert problem([], **menu) == REQUIRED
    assert problem(options[:1], **menu) == ""
    assert problem(options, **menu) == "Please choose at most 1; these are 2."


def test_only_input_blocks_are_checked() -> None:
    """A menu beside a text is never required."""
    block = {"type": "section", "block_id": "one", "accessory": {"type": "static_select", "action_id": "it"}}
    assert problems([block], values([block], {})) == {}
