"""Arguments as the SDK encodes them, and pages."""

from __future__ import annotations

import pytest

from opsbot.workspace.api_arguments import cursor, flag, names, need, number, page
from opsbot.workspace.state_errors import SlackError


@pytest.mark.parametrize("value", [True, 1, "1", "true"])
def test_yes_in_every_form(value: object) -> None:
    """JSON, query and form."""
    assert flag({"x": value}, "x")


@pytest.mark.parametrize("value", [False, 0, "0", "false", None])
def test_no_in_every_form(value: object) -> None:
    """JSON, query and form."""
    assert not flag({"x": value}, "x")


def test_lists_in_every_form() -> None:
    """Joined by commas, with spaces, as JSON, or one alone."""
    assert names({"x": "a, b,,c"}, "x") == names({"x": ["a", "b", "c"]}, "x") == ["a", "b", "c"]
    assert names({}, "x") == names({"x": ""}, "x") == []


def test_every_page_is_reached_once() -> None:
    """By following the cursors."""
    found: list[int] = []
    following = ""
    for _ in range(4):
        rows, following = page(range(10), {"limit": "3", "cursor": following})
        found += rows
    assert (found, following) == (list(range(10)), "")


@pytest.mark.parametrize(
    "wrong", ["x", "bm9uc2Vuc2U=", cursor("offset", "11"), cursor("offset", "-1"), "é", "9" * 9999]
)
def test_a_made_up_cursor_is_refused(wrong: str) -> None:
    """As Slack does."""
    with pytest.raises(SlackError, match="invalid_cursor"):
        page(range(10), {"cursor": wrong})


@pytest.mark.parametrize("wrong", [0, -1, 1001, "many", "nan", "inf", [], 1e99])
def test_a_limit_out_of_range_is_refused(wrong: object) -> None:
    """As Slack does."""
    with pytest.raises(SlackError, match="invalid_limit"):
        page(range(10), {"limit": wrong})


def test_what_is_needed_is_named() -> None:
    """In the explanation."""
    with pytest.raises(SlackError) as raised:
        need({"channel": ""}, "channel")
    assert (raised.value.error, raised.value.explanations) == (
        "invalid_arguments",
        ("missing required field: channel",),
    )
    with pytest.raises(SlackError, match="invalid_ts_latest"):
        number({"latest": "now"}, "latest", 0, "invalid_ts_latest")
