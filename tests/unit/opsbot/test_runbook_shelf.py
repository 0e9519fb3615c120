"""What is said in the channel when runbook files change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsbot.clock import SystemClock
from opsbot.runbook.library import RunbookLibrary
from opsbot.runbook_shelf import RunbookShelf
from tests.support.runbooks import registry

TEXT = """\
version: 1
id: a
name: {title}
owner: oncall
mode: observe
triggers: [{{type: manual}}]
steps: [{{id: read, name: Read, uses: prometheus.query, with: {{query: up}}}}]
"""


@pytest.fixture
def said() -> list[str]:
    """What was said."""
    return []


@pytest.fixture
def shelf(tmp_path: Path, said: list[str]) -> RunbookShelf:
    """A shelf over one folder with one runbook."""
    write(tmp_path, TEXT.format(title="First"), 1)
    shelf = RunbookShelf(RunbookLibrary([tmp_path], registry()), lambda key, text, at: said.append(text), SystemClock())
    shelf.open()
    return shelf


def write(folder: Path, text: str, moment: int) -> None:
    """Write the file as if at that moment."""
    (folder / "a.yaml").write_text(text)
    os.utime(folder / "a.yaml", (moment, moment))


def test_nothing_is_said_while_nothing_changes(shelf: RunbookShelf, said: list[str]) -> None:
    """Neither at the start nor at later looks."""
    shelf.look()
    assert said == []


def test_a_new_revision_is_said_once(shelf: RunbookShelf, said: list[str], tmp_path: Path) -> None:
    """With its id, so that people can tell which one a run has."""
    write(tmp_path, TEXT.format(title="Second"), 2)
    shelf.look()
    shelf.look()
    (text,) = said
    assert text.startswith("Runbook a has revision ")
    assert "Runs under way keep" in text


def test_a_bad_file_is_said_with_the_place_of_each_mistake(
    shelf: RunbookShelf, said: list[str], tmp_path: Path
) -> None:
    """And again once it was mended and broken anew."""
    bad = TEXT.format(title="Second").replace("observe", "obsrve").replace("owner", "ownr")
    write(tmp_path, bad, 2)
    shelf.look()
    shelf.look()
    (text,) = said
    assert "a.yaml:5:7: " in text
    assert "did you mean 'observe'?" in text
    assert "last good revision stays in force" in text


def test_a_deleted_file_is_said(shelf: RunbookShelf, said: list[str], tmp_path: Path) -> None:
    """Nobody should wonder why nothing ran."""
    (tmp_path / "a.yaml").unlink()
    shelf.look()
    assert said == ["Runbook a is out of force: its file is gone. Runs under way keep the one they began with."]
