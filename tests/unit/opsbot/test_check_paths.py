"""`opsbot check PATH...`: just these files, each read as what its own keys say it is, without the settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from opsbot.check_kind import OWN_KEYS, UNKNOWN, FileKind, kind_of
from opsbot.cli import main
from opsbot.config import Settings
from opsbot.oncall.wire import RotaWire
from opsbot.rule.model import RuleFileWire
from opsbot.runbook.wire import RunbookFile
from opsbot.testing.wire import TestFile

ROOT = Path(__file__).parents[3]
RUNBOOK = ROOT / "runbooks/kv-cache-pressure.yaml"
MODELS: dict[FileKind, type[BaseModel]] = {
    "runbook": RunbookFile,
    "runbook tests": TestFile,
    "alert rules": RuleFileWire,
    "settings": Settings,
    "rota": RotaWire,
}


def check(*paths: Path | str) -> tuple[int, str]:
    """Exit status and output of `opsbot check` with *paths*."""
    result = CliRunner().invoke(main, ["check", *map(str, paths)])
    return result.exit_code, result.output


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in OWN_KEYS.items() for key in keys])
def test_own_keys_are_of_one_kind_alone(kind: FileKind, key: str) -> None:
    """Each key is one of its kind's and of no other's."""
    assert [name for name, model in MODELS.items() if key in model.model_fields] == [kind]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"version": 1, "id": "a", "steps": []}, "runbook"),
        ({"triggers": [], "stepps": []}, "runbook"),
        ({"groups": []}, "alert rules"),
        ({"version": 1, "serving": []}, "settings"),
        ({"people": {}, "schedules": []}, "rota"),
        ({"steps": [], "triggers": [], "policies": []}, "runbook"),
        ([{"targets": ["a:1"]}], "targets"),
        ({"version": 1, "people": []}, None),
        ([1, 2], None),
        ("text", None),
        (None, None),
    ],
)
def test_a_kind_is_told_by_its_own_keys(data: object, kind: FileKind | None) -> None:
    """By most of them where there are several kinds'; what is common to kinds tells nothing."""
    assert kind_of(data) == kind


@pytest.mark.parametrize("path", ["runbooks", "policies", "docs/examples/oncall.yaml", "opsbot.yaml"])
def test_what_is_shipped_is_right(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders of the repository pass, whatever they are."""
    monkeypatch.chdir(ROOT)
    status, output = check(path)
    assert (status, output.endswith("no problems\n")) == (0, True), output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nid: a\nsteps: []\nstepps: 1\n", ":4:1: unknown key 'stepps', did you mean 'steps'?"),
        ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: up = 1}\n", ":4:22: expr: not valid PromQL"),
        ("serving: []\n", ":1:1: the key 'version' is missing"),
        ("version: 1\nschedules: 3\n", ":2:12: schedules: "),
        ("- {targets: ['a:1']}\n", ":1:1: group 1: a:1 has no label 'cluster', by which rules and runbooks go"),
        ("version: 1\nimage: x\n", f":1:1: {UNKNOWN}"),
        ("- 1\n", f":1:1: {UNKNOWN}"),
        ("steps: [\n", ":2:1: not valid YAML"),
        ("", ":1:1: the file is empty"),
    ],
)
def test_each_kind_is_checked_as_what_it_is(text: str, problem: str, tmp_path: Path) -> None:
    """A problem of each kind, at its place; a file of no kind is told what there is."""
    path = tmp_path / "file.yaml"
    path.write_text(text)
    status, output = check(path)
    assert status == 1
    assert f"{path}{problem}" in output


def test_all_problems_of_all_files_stand_in_order(tmp_path: Path) -> None:
    """Whatever the order of the files and of their kinds; then how many there are."""
    (tmp_path / "b.yaml").write_text("steps: []\n")
    (tmp_path / "a.yaml").write_text("groups: 1\n")
    status, output = check(tmp_path / "none.yaml", tmp_path / "b.yaml", tmp_path / "a.yaml")
    lines = output.splitlines()
    assert status == 1
    assert lines[:-1] == sorted(lines[:-1])
    assert {line.split(":")[0] for line in lines[:-1]} == {
        str(tmp_path / f"{name}.yaml") for name in ("a", "b", "none")
    }
    assert f"{tmp_path}/none.yaml:1:1: no such file or folder" in lines
    assert lines[-1] == f"{len(lines) - 1} problems in 2 files"


def test_a_folder_is_all_below_it_that_is_not_hidden(tmp_path: Path) -> None:
    """YAML files at any depth; neither other files nor those of a hidden folder."""
    (tmp_path / "deep/deeper").mkdir(parents=True)
    (tmp_path / "deep/deeper/one.yml").write_text(RUNBOOK.read_text())
    (tmp_path / "deep/notes.txt").write_text("no YAML: [")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/other.yaml").write_text("image: x\n")
    assert check(tmp_path) == (0, "1 file, no problems\n")
    assert check(tmp_path / ".venv")[0] == 1


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    """Whoever named it meant some other folder."""
    assert check(tmp_path)[1].startswith(f"{tmp_path}:1:1: there is no YAML file in this folder\n")


def test_a_file_that_is_named_twice_is_one(tmp_path: Path) -> None:
    """By itself, by its folder, and by a way round; two files with one id are told apart from that."""
    (tmp_path / "below").mkdir()
    one = tmp_path / "one.yaml"
    one.write_text(RUNBOOK.read_text())
    assert check(one, tmp_path, tmp_path / "below/../one.yaml") == (0, "1 file, no problems\n")
    two = tmp_path / "two.yaml"
    two.write_text(RUNBOOK.read_text())
    assert f"{two}:3:5: the id 'kv-cache-pressure' is already used by {one}; take another one\n" in check(tmp_path)[1]


def test_a_rule_may_name_a_runbook_of_elsewhere(tmp_path: Path) -> None:
    """Files that are not named are not looked at: only the settings say where runbooks are."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0, labels: {severity: low}, runbook: some-where}\n"
    )
    assert check(path) == (0, "1 file, no problems\n")


def test_files_and_settings_are_not_checked_together() -> None:
    """`--config` with files would say nothing."""
    result = CliRunner().invoke(main, ["check", str(RUNBOOK), "--config", "opsbot.yaml"])
    assert result.exit_code == 2
    assert "name either files or --config" in result.output


def test_a_runbook_is_checked_without_what_it_does_not_need(tmp_path: Path) -> None:
    """A fresh process in a folder without settings loads no settings, no rules, no HTTP, no database, no event loop."""
    code = (
        "import json, sys\nfrom opsbot.cli import main\n"
        f"main(['check', {str(RUNBOOK)!r}], standalone_mode=False)\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    checked, modules = done.stdout.splitlines()
    assert checked == "1 file, no problems"
    loaded = set(json.loads(modules))
    assert "opsbot.runbook.loader" in loaded
    unwanted = {
        "asyncio",
        "httpx",
        "numpy",
        "sqlalchemy",
        "dbos",
        "rich",
        "opsbot.config",
        "opsbot.rule",
        "opsbot.source",
    }
    assert loaded & unwanted == set()
