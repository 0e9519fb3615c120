"""The rules in force, while their files change."""

from __future__ import annotations

from pathlib import Path

from opsbot.rule.book import RuleBook
from tests.support.watching import rule_text, write_rules


class Shelf:
    """A folder of rule files and its book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rejected: list[str] = []
        self.book = RuleBook([folder], lambda problem: self.rejected.append(problem.message))

    def write(self, name: str, *rules: str) -> None:
        """Write a file as an editor does: a new one in place of the old."""
        write_rules(self.folder / "new", *rules).rename(self.folder / name)

    def names(self) -> list[str]:
        """The rules in force after looking."""
        self.book.reload()
        return sorted(rule.name for rule in self.book.rules)


def test_a_changed_file_is_loaded(tmp_path: Path) -> None:
    """And only a change counts as one."""
    shelf = Shelf(tmp_path)
    shelf.write("a.yaml", rule_text("One"))
    assert shelf.book.reload() is True
    assert shelf.book.reload() is False
    shelf.write("a.yaml", rule_text("Two"))
    assert shelf.names() == ["Two"]


def test_a_bad_file_keeps_its_last_good_revision(tmp_path: Path) -> None:
    """It says why once, takes no other file down, and is taken again when it is mended."""
    shelf = Shelf(tmp_path)
    shelf.write("a.yaml", rule_text("One"))
    shelf.write("b.yaml", rule_text("Other"))
    shelf.names()
    shelf.write("a.yaml", rule_text("One", expr="m >"))
    assert shelf.names() == shelf.names() == ["One", "Other"]
    assert shelf.rejected == ["expr: not valid PromQL: something must follow `>`"]
    assert not shelf.book.is_complete
    shelf.write("a.yaml", rule_text("New"))
    assert shelf.names() == ["New", "Other"]
    assert shelf.book.is_complete


def test_a_removed_file_takes_its_rules_with_it(tmp_path: Path) -> None:
    """Its folder does not name it any more."""
    shelf = Shelf(tmp_path)
    shelf.write("a.yaml", rule_text("One"))
    shelf.names()
    (tmp_path / "a.yaml").unlink()
    assert shelf.names() == []


def test_a_file_that_is_named_but_missing_is_told(tmp_path: Path) -> None:
    """A misspelt path in the configuration does not pass for an empty set of rules."""
    rejected: list[str] = []
    book = RuleBook([tmp_path / "no.yaml"], lambda problem: rejected.append(problem.message))
    book.reload()
    book.reload()
    assert rejected == ["cannot be read: No such file or directory"]
    assert not book.is_complete


def test_a_second_rule_of_a_name_waits_for_the_first_to_go(tmp_path: Path) -> None:
    """The file that came later is rejected, and taken as soon as nothing is in its way."""
    shelf = Shelf(tmp_path)
    shelf.write("a.yaml", rule_text("One"))
    shelf.write("b.yaml", rule_text("One", expr="n > 1"))
    assert shelf.names() == ["One"]
    assert not shelf.book.is_complete
    shelf.write("a.yaml", rule_text("Two"))
    assert shelf.names() == ["One", "Two"]
    assert shelf.book.is_complete
