"""docs/slack.md, "Buttons and what they ask", names every dialog, every verb of a look ahead, and what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.runbook.preview import VERBS
from opsbot.slack.dialogs.words import WORDS

PAGE = (Path(__file__).parents[2] / "docs/slack.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Buttons and what they ask")[2].partition("\n## ")[0]


@pytest.mark.parametrize("verb", sorted(WORDS))
def test_every_dialog_has_a_row(verb: str) -> None:
    """With its title, and the command that does the same."""
    rows = [line for line in SECTION.splitlines() if f"| {WORDS[verb].title} |" in line]
    assert len(rows) == 1
    assert f"`{WORDS[verb].typed.split(' {}')[0].split(' ')[0]} {WORDS[verb].typed.split()[1]}" in rows[0]
    assert ("why" in rows[0].split("|")[3]) is bool(WORDS[verb].reason)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_a_look_ahead_is_named(verb: str) -> None:
    """As `opsbot preview` takes it."""
    assert f"`{verb}`" in SECTION
