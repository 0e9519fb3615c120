"""`opsbot new`: what it writes can be used at once, and it destroys nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from opsbot.cli import main
from opsbot.new_command import TEMPLATES
from opsbot.runbook.loader import check_runbooks
from opsbot.yamlfile import load
from tests.support.runbooks import registry

ROOT = Path(__file__).parents[3]


def new(*arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    result = CliRunner().invoke(main, ["new", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_runbook_passes_the_check_and_fits_the_schema(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, with the id of its name; editors find the schema from its first line; its tests are readable YAML."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/schema").mkdir(parents=True)
    (tmp_path / "docs/schema/runbook.json").write_text((ROOT / "docs/schema/runbook.json").read_text())
    status, output = new("lower-the-batch", "--template", template)
    assert (status, output.splitlines()[:2]) == (
        0, ["wrote runbooks/lower-the-batch.yaml", "wrote runbooks/lower-the-batch.test.yaml"],
    )  # fmt: skip
    assert check_runbooks([tmp_path / "runbooks"], registry()) == []
    path = tmp_path / "runbooks/lower-the-batch.yaml"
    text = path.read_text()
    head = text.splitlines()[0]
    schema = json.loads((path.parent / head.split("$schema=")[1]).read_text())
    assert list(Draft202012Validator(schema).iter_errors(yaml.safe_load(text))) == []
    assert yaml.safe_load(text)["id"] == "lower-the-batch"
    assert yaml.safe_load(text)["name"] == "Lower the batch"
    document, problems = load(path.with_name("lower-the-batch.test.yaml"))
    assert document is not None
    assert problems == []
    assert document.value(("runbook",)) == "lower-the-batch.yaml"
    result = CliRunner().invoke(main, ["test", "runbooks"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("there", ["mine.yaml", "mine.test.yaml"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    """If either file is there, neither is written."""
    (tmp_path / there).write_text("mine\n")
    status, output = new("mine", "--folder", str(tmp_path))
    assert status == 1
    assert f"{tmp_path / there} is there already" in output
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine\n"


@pytest.mark.parametrize("name", ["../up", "KV", "1st", "a b", "", "a/b", "x" * 65])
def test_a_name_that_is_no_id_is_refused(name: str, tmp_path: Path) -> None:
    """So nothing is written outside of the folder."""
    status, output = new(name, "--folder", str(tmp_path / "in"))
    assert status == 1
    assert "cannot be a runbook's name" in output
    assert list(tmp_path.iterdir()) == []
