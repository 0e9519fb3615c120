"""docs/slack.md says what the bot does about each of Slack's errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.slack.errors import ERRORS, Do

DOCS = Path(__file__).parents[2] / "docs" / "slack.md"
DOES = {
    Do.WAIT: "waits as long as Slack asks",
    Do.RETRY: "tries again; a post is looked for first",
    Do.AFRESH: "posts it afresh",
    Do.JOIN: "joins the channel; a private one cannot be joined",
    Do.SHORTEN: "posts it shortened, without its blocks",
    Do.TEXT_ALONE: "posts its text alone, without buttons; the next change tries the whole again",
    Do.TELL: "keeps it",
    Do.GIVE_UP: "tries five times, then gives up and counts it in `opsbot_outbox_failed`",
}


def test_the_table_has_every_error_and_no_other() -> None:
    """With what the bot does about it."""
    found: dict[str, str] = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] in DOES.values():
            found |= dict.fromkeys(re.findall(r"`([a-z_]+)`", cells[0]), cells[1])
    assert found == {code: DOES[answer.do] for code, answer in ERRORS.items()}


@pytest.mark.parametrize("code", sorted(code for code, answer in ERRORS.items() if answer.do is Do.TELL))
def test_a_person_is_told_what_to_do(code: str) -> None:
    """What waits for somebody says for what."""
    assert ERRORS[code].advice
    assert ERRORS[code].why
