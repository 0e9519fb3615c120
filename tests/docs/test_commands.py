"""docs/commands.md has every verb as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.spoken.act import USAGES, read_act
from opsbot.spoken.length import read_length
from opsbot.spoken.page import MARK, tables
from opsbot.spoken.verbs import VERBS, VerbWords, find_verb

PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    """`python -m opsbot help --markdown` prints them."""
    assert PAGE.partition(f"{MARK}\n\n")[2] == tables()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_is_told(verb: VerbWords) -> None:
    """With its terminal's name."""
    assert f"`/ops {verb.name}" in PAGE
    assert f"`opsbot {verb.in_command_line}`" in PAGE


def test_what_the_page_calls_a_time_is_one() -> None:
    """Each example of the row."""
    (row,) = re.findall(r"^\| a time \| (.*) \|$", PAGE, re.MULTILINE)
    for text in re.findall(r"`([^`]+)`", row):
        assert read_length(text) > 0


def test_what_the_page_types_to_clusters_is_understood() -> None:
    """Outside of the tables too."""
    typed = re.findall(r"/ops ((?:batch|shed|failwhale|fallback|loadtest) eu-1[^`\n]*)", PAGE)
    assert len(typed) >= 10
    for text in typed:
        verb, rest = find_verb(text.replace("…", "x"))
        assert verb is not None
        assert verb.name in USAGES
        assert read_act(verb.name, rest, ("eu-1",)).cluster == "eu-1"  # type: ignore[arg-type]
