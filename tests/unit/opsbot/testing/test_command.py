"""`opsbot test`: what people and CI read of it, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from opsbot.cli import main
from tests.support.runbook_tests import RUNBOOK, write

TESTS = """\
  - {name: nobody decides, expect: {state: cancelled}}
  - {name: somebody refuses, deny: [{step: resize}], expect: {state: cancelled}}
"""
WRONG = "  - {name: it fails, expect: {state: failed}}\n"


def opsbot(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["test", *map(str, arguments)])


def test_tests_that_pass_are_one_line(tmp_path: Path) -> None:
    """And exit status 0."""
    result = opsbot(write(tmp_path, TESTS))
    assert result.exit_code == 0
    assert result.output.startswith("2 passed in 1 file; 10:23 of virtual time in ")


def test_a_test_that_fails_is_told_and_the_exit_status_is_1(tmp_path: Path) -> None:
    """With what was expected and seen."""
    result = opsbot(write(tmp_path, TESTS + WRONG))
    assert result.exit_code == 1
    assert f"FAILED {tmp_path}/relief.test.yaml:13 it fails" in result.output
    assert "  state: expected failed, was cancelled (nobody approved in time)\n" in result.output
    assert "2 passed, 1 failed in 1 file" in result.output


def test_a_file_that_is_wrong_is_told_and_the_others_are_performed(tmp_path: Path) -> None:
    """The exit status is 1 then."""
    write(tmp_path, TESTS)
    (tmp_path / "bad.test.yaml").write_text("version: 1\n")
    result = opsbot(tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/bad.test.yaml:1:1: the key 'tests' is missing\n" in result.output
    assert "2 passed in 1 file" in result.output


def test_verbose_shows_each_test_and_twice_its_timeline(tmp_path: Path) -> None:
    """As they come."""
    path = write(tmp_path, TESTS)
    assert opsbot(path, "-v").output.count("\nok ") + 1 == 2
    assert "Nobody approved in time: nothing was changed." in opsbot(path, "-vv").output


def test_a_text_selects_tests_by_name(tmp_path: Path) -> None:
    """None at all is a mistake of the caller."""
    path = write(tmp_path, TESTS)
    assert opsbot(path, "-k", "REFUSES").output.startswith("1 passed in 1 file")
    result = opsbot(path, "-k", "elephants")
    assert result.exit_code == 2
    assert "there are no tests with 'elephants' in their names" in result.output


def test_coverage_is_a_table_with_what_is_missing_by_name(tmp_path: Path) -> None:
    """A runbook without tests is in it; too little fails."""
    write(tmp_path, TESTS)
    (tmp_path / "other.yaml").write_text(RUNBOOK.replace("id: relief", "id: other"))
    result = opsbot(tmp_path, "--coverage")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "runbook  covered        not shown by any test"
    assert lines[1].startswith("other       0/19    0%  read: acted; read: broke; ")
    assert lines[2].startswith("relief      5/19   26%  read: broke; resize: acted; ")
    result = opsbot(tmp_path, "--min-coverage", "20")
    assert result.exit_code == 1
    assert "other: 0% is less than 20%" in result.output
    assert "relief: 26%" not in result.output


def test_junit_xml_has_a_suite_for_each_file(tmp_path: Path) -> None:
    """With the reason of each failure."""
    path = write(tmp_path, TESTS + WRONG)
    opsbot(path, "--junit", tmp_path / "out/junit.xml")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "out/junit.xml"))
    assert (suite.name, suite.tests, suite.failures) == (str(path), 3, 1)
    *_, failed = suite
    assert failed.name == "it fails"
    assert failed.result[0].message == "state: expected failed, was cancelled (nobody approved in time)"
    assert "timeline:" in failed.result[0].text


def test_the_settings_name_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no path is given; without settings it is `runbooks`."""
    (tmp_path / "runbooks").mkdir()
    write(tmp_path / "runbooks", TESTS)
    monkeypatch.chdir(tmp_path)
    assert opsbot().output.startswith("2 passed in 1 file")


def test_check_checks_tests_by_path_and_leaves_them_out_of_the_runbooks(tmp_path: Path) -> None:
    """A test file is no runbook."""
    write(tmp_path, TESTS)
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert result.output == "2 files, no problems\n"
    write(tmp_path, "  - {name: one, expect: {steps: {resise: failed}}}\n")
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert (
        f"{tmp_path}/relief.test.yaml:11:34: the runbook has no step 'resise', did you mean 'resize'?" in result.output
    )
