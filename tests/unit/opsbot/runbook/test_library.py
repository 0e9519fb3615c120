"""The runbooks in force, while their files change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsbot.runbook.library import RunbookLibrary
from tests.support.runbooks import registry

TEXT = """\
version: 1
id: {name}
name: {title}
owner: oncall
mode: observe
triggers: [{{type: manual}}]
steps: [{{id: read, name: Read, uses: prometheus.query, with: {{query: up}}}}]
"""


@pytest.fixture
def library(tmp_path: Path) -> RunbookLibrary:
    """A library over one folder with one runbook."""
    write(tmp_path / "a.yaml", TEXT.format(name="a", title="First"), 1)
    library = RunbookLibrary([tmp_path], registry())
    library.reload()
    return library


def write(path: Path, text: str, moment: int) -> None:
    """Write a file as if at that moment, so that the test does not depend on the clock's grain."""
    path.write_text(text)
    os.utime(path, (moment, moment))


def titles(library: RunbookLibrary) -> list[str]:
    """The names of the runbooks in force."""
    return [runbook.name for runbook in library.runbooks()]


def test_a_changed_file_is_in_force_after_a_reload(library: RunbookLibrary, tmp_path: Path) -> None:
    """An edit is another revision."""
    before = library.runbooks()[0].revision
    write(tmp_path / "a.yaml", TEXT.format(name="a", title="Second"), 2)
    assert library.reload() == ()
    assert titles(library) == ["Second"]
    assert library.runbooks()[0].revision != before


def test_a_file_that_turns_bad_keeps_its_last_good_revision(library: RunbookLibrary, tmp_path: Path) -> None:
    """The mistake is reported once, and goes away with its repair."""
    write(tmp_path / "a.yaml", TEXT.format(name="a", title="Second").replace("observe", "obsrve"), 2)
    found = library.reload()
    assert ["did you mean 'observe'?" in problem.message for problem in found] == [True]
    assert titles(library) == ["First"]
    assert library.reload() == ()
    assert library.problems == found
    write(tmp_path / "a.yaml", TEXT.format(name="a", title="Third"), 3)
    library.reload()
    assert not library.problems
    assert titles(library) == ["Third"]


def test_a_deleted_file_is_out_of_force(library: RunbookLibrary, tmp_path: Path) -> None:
    """Nothing matches a runbook that is gone."""
    (tmp_path / "a.yaml").unlink()
    library.reload()
    assert titles(library) == []


def test_of_two_files_with_one_id_the_first_is_in_force(library: RunbookLibrary, tmp_path: Path) -> None:
    """The second is reported and changes nothing."""
    write(tmp_path / "b.yaml", TEXT.format(name="a", title="Impostor"), 2)
    (problem,) = library.reload()
    assert "already used by" in problem.message
    assert titles(library) == ["First"]


def test_a_file_that_was_never_good_is_not_in_force(library: RunbookLibrary, tmp_path: Path) -> None:
    """There is no last good revision to keep."""
    write(tmp_path / "b.yaml", "version: 1\n", 2)
    assert library.reload()
    assert titles(library) == ["First"]


def test_the_last_good_revision_survives_a_restart(tmp_path: Path) -> None:
    """A copy of what was in force is kept; a library that starts over a bad file uses it, and reports the file."""
    file, copies = tmp_path / "books/a.yaml", tmp_path / "copies"
    file.parent.mkdir()
    write(file, TEXT.format(name="a", title="First"), 1)
    RunbookLibrary([file.parent], registry(), copies).reload()
    write(file, TEXT.format(name="a", title="Second").replace("observe", "obsrve"), 2)
    restarted = RunbookLibrary([file.parent], registry(), copies)
    assert len(restarted.reload()) == 1
    assert titles(restarted) == ["First"]
    file.unlink()
    restarted.reload()
    assert titles(restarted) == []
