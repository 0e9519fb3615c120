"""Every rule of the language, broken: what an author is told, word for word, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsbot.cli import main
from opsbot.runbook.library import RunbookLibrary
from opsbot.runbook.loader import check_runbooks
from tests.support.runbooks import registry

ROOT = Path(__file__).parents[4]
BROKEN = sorted((ROOT / "tests/data/runbooks/broken").glob("*.yaml"))
GOOD = ROOT / "tests/data/runbooks/kv-cache-pressure.yaml"
EXPECT = re.compile(r"^# expect: (.*)$", re.MULTILINE)


def expected(path: Path) -> list[str]:
    """What stands at the head of the file."""
    return [f"{path}:{line}" for line in EXPECT.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_exactly_these_problems(path: Path) -> None:
    """Each mistake once, where it stands, in the order of lines."""
    assert expected(path)
    assert [str(problem) for problem in check_runbooks([path], registry())] == expected(path)


def test_there_are_many() -> None:
    """A folder that moved would test nothing."""
    assert len(BROKEN) >= 45


def test_the_command_prints_the_same() -> None:
    """`opsbot check FILE...` is what authors see."""
    paths = BROKEN[:3]
    result = CliRunner().invoke(main, ["check", *(str(path) for path in paths)])
    assert result.exit_code == 1
    lines = [line for path in paths for line in expected(path)]
    assert result.output.splitlines()[: len(lines)] == lines
    assert f"{len(lines)} problems in 3 files" in result.output


def test_the_command_passes_a_good_file() -> None:
    """Only the named file is looked at: no settings are needed."""
    result = CliRunner().invoke(main, ["check", str(GOOD)])
    assert (result.exit_code, result.output) == (0, "1 file, no problems\n")


def test_a_bad_file_does_not_hide_a_good_one(tmp_path: Path) -> None:
    """What can be read is in force; the rest is told."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(BROKEN[0].read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "good.yaml").write_text(GOOD.read_text(encoding="utf-8"), encoding="utf-8")
    library = RunbookLibrary([tmp_path], registry())
    told = library.reload()
    assert [runbook.runbook_id for runbook in library.runbooks()] == ["kv-cache-pressure"]
    assert {problem.path for problem in told} == {str(bad)}


def test_tests_beside_runbooks_are_no_runbooks(tmp_path: Path) -> None:
    """`NAME.test.yaml` has another form and is left to `opsbot test`."""
    (tmp_path / "good.yaml").write_text(GOOD.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "good.test.yaml").write_text("runbook: kv-cache-pressure\n", encoding="utf-8")
    assert check_runbooks([tmp_path], registry()) == []
