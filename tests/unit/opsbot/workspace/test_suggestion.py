"""What an app may answer to a menu that asks for its options."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.workspace.suggestion import NO_OPTIONS, REFUSED, options_for_page
from tests.support.page_user import text

OPTION = {"text": text("One"), "value": "1"}
GROUP = {"label": text("Group"), "options": [OPTION]}


@pytest.mark.parametrize("answered", [{"options": [OPTION]}, {"options": []}, {"option_groups": [GROUP]}])
def test_options_are_handed_on_as_they_are(answered: dict[str, Any]) -> None:
    """None at all are options too: nothing was found."""
    assert options_for_page(answered) == {"ok": True, **answered}


def test_no_answer_is_told() -> None:
    """An acknowledgement alone shows nothing in Slack."""
    assert options_for_page({}) == {"ok": False, "error": NO_OPTIONS}


@pytest.mark.parametrize(
    ("answered", "place"),
    [
        ({"options": [OPTION] * 101}, "/options"),
        ({"options": [{"text": text("One")}]}, "/options/0"),
        ({"options": [{"text": text("x" * 76), "value": "1"}]}, "/options/0/text/text"),
        ({"options": "x"}, "/options"),
        ({"option_groups": [{"label": text("Group"), "options": []}]}, "/option_groups/0/options"),
    ],
)
def test_what_slack_would_not_show_is_told_with_its_place(answered: dict[str, Any], place: str) -> None:
    """So that it is found here."""
    told = options_for_page(answered)
    assert told["ok"] is False
    assert told["error"].startswith(REFUSED)
    assert f"[json-pointer:{place}" in told["error"]
