"""`opsbot check`: every problem of every file in one run, with its place, a suggestion, and exit status 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from opsbot.cli import main

ROOT = Path(__file__).parents[3]
SETTINGS = """\
version: 1
runbooks: [{folder}/runbooks]
alert_rules: [{folder}/rules]
serving: [{{cluster: a, url: "http://127.0.0.1:8000"}}]
"""
RUNBOOK = """\
version: 1
id: bad
name: Bad
owner: me
mode: auto
triggers: [{type: manual}]
steps:
  - id: one
    name: One
    uses: serving.set_bach
    with: {limit: 8}
    lease: 60s
  - id: two
    name: Two
    uses: wait.until
    if: steps.three.outputs.value > 1
    with: {expr: "up == 1"}
"""
RULES = """\
groups:
  - name: g
    rules:
      - alert: A
        expr: up = 1
        labels: {severity: critcal}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, each with something wrong."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "opsbot.yaml").write_text(SETTINGS.format(folder=tmp_path))
    (tmp_path / "runbooks/bad.yaml").write_text(RUNBOOK)
    (tmp_path / "runbooks/double.yaml").write_text("version: 1\nid: x\nid: y\n")
    (tmp_path / "rules/bad.yaml").write_text(RULES)
    return tmp_path


def check(path: Path) -> tuple[int, str]:
    """Exit status and output of `opsbot check`."""
    result = CliRunner().invoke(main, ["check", "--config", str(path)])
    return result.exit_code, result.output


def test_all_problems_of_all_files_in_one_run(folder: Path) -> None:
    """Unknown action, undefined name, duplicate key, broken PromQL, unknown severity: each at its place."""
    status, output = check(folder / "opsbot.yaml")
    assert status == 1
    for place, words in {
        "runbooks/bad.yaml:10:11": "did you mean 'serving.set_batch'?",
        "runbooks/bad.yaml:16:9": "three",
        "runbooks/double.yaml:3:1": "id",
        "rules/bad.yaml:5:15": "expr",
        "rules/bad.yaml:6:28": "did you mean 'critical'?",
    }.items():
        line = next((line for line in output.splitlines() if place in line), "")
        assert words in line, output
    assert "in 4 files" in output


def test_broken_settings_do_not_hide_the_other_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With unusable settings the default folders are checked all the same."""
    monkeypatch.chdir(folder)
    (folder / "opsbot.yaml").write_text("version: 2\n")
    status, output = check(Path("opsbot.yaml"))
    assert status == 1
    assert "opsbot.yaml:1:10" in output
    assert "runbooks/bad.yaml:10:11" in output


def test_a_rule_names_a_runbook_that_is_there(folder: Path) -> None:
    """Once all runbooks can be read; an address is not looked up."""
    for path in (folder / "runbooks").iterdir():
        path.unlink()
    (folder / "runbooks/pressure.yaml").write_text((ROOT / "runbooks/kv-cache-pressure.yaml").read_text())
    rule = "- {{alert: {name}, expr: up == 0, severity: low, runbook: {runbook}}}\n"
    rules = [("A", "kv-cache-pressure"), ("B", "https://x.example/b"), ("C", "kv-cache-presure")]
    text = "".join(f"  {rule.format(name=name, runbook=runbook)}" for name, runbook in rules)
    (folder / "rules/bad.yaml").write_text("groups:\n- name: g\n  rules:\n" + text)
    status, output = check(folder / "opsbot.yaml")
    assert status == 1
    assert output.splitlines()[0] == (
        f"{folder}/rules/bad.yaml:6:55: runbook: there is no runbook 'kv-cache-presure', "
        "did you mean 'kv-cache-pressure'?"
    )


def test_everything_shipped_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the repository passes."""
    monkeypatch.chdir(ROOT)
    assert check(Path("opsbot.yaml"))[0] == 0


def test_no_settings_says_what_to_do(tmp_path: Path) -> None:
    """A missing file is a problem like any other."""
    status, output = check(tmp_path / "opsbot.yaml")
    assert status == 1
    assert "no such file; name one with --config" in output


def test_a_mistyped_command_gets_a_suggestion() -> None:
    """`opsbot chekc` means check."""
    result = CliRunner().invoke(main, ["chekc"])
    assert result.exit_code == 2
    assert "did you mean 'check'?" in result.output


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("opsbot", "opsbot.yaml"),
        ("alerts", "policies/alerts/serving.yaml"),
        ("alerts", "policies/alerts/series.yaml"),
        ("alerts", "policies/alerts/latency.yaml"),
        ("runbook", "runbooks/kv-cache-pressure.yaml"),
        ("runbook-test", "runbooks/kv-cache-pressure.test.yaml"),
    ],
)
def test_the_shipped_schemas_are_current_and_fit(name: str, file: str, tmp_path: Path) -> None:
    """docs/schema is what `opsbot schema` writes now, and the shipped files fit it."""
    assert CliRunner().invoke(main, ["schema", str(tmp_path)]).exit_code == 0
    written = (tmp_path / f"{name}.json").read_text()
    assert written == (ROOT / f"docs/schema/{name}.json").read_text(), "run `make schema`"
    schema: Mapping[str, object] = json.loads(written)
    assert list(Draft202012Validator(schema).iter_errors(yaml.safe_load((ROOT / file).read_text()))) == []


def test_files_of_metrics_sources_are_looked_at(folder: Path) -> None:
    """A list of targets that is wrong or gone, and certificates that cannot be read, each at its place."""
    (folder / "targets.yaml").write_text("- {targets: ['a:1']}\n")
    listed = folder / "listed.yaml"
    listed.write_text(
        f"version: 1\nrunbooks: []\nalert_rules: []\ntargets_file:\n- {folder}/targets.yaml\n- none.json\n"
    )
    assert check(listed)[1].splitlines()[:2] == [
        f"{listed}:5:3: targets_file: {folder}/targets.yaml: group 1: a:1 has no label 'cluster', "
        "by which rules and runbooks go",
        f"{listed}:6:3: targets_file: none.json: No such file or directory",
    ]
    server = folder / "server.yaml"
    server.write_text(
        "version: 1\nrunbooks: []\nalert_rules: []\nprometheus:\n"
        f"- url: https://p\n  ca_file: {folder}/rules/bad.yaml\n"
    )
    assert f"{server}:6:12: prometheus prometheus: ca_file {folder}/rules/bad.yaml cannot be used" in check(server)[1]
