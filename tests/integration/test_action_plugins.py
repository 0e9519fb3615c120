"""Plug-ins: the template installs and works as its README says, and a broken one stops nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import setuptools

from opsbot.action.plugin import GROUP, load_plugins
from opsbot.action.registry import names_only
from opsbot.clock import SystemClock

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "docs/examples/opsbot-action-template"
RUNBOOK = """version: 1
id: note
name: Note it
owner: tests
mode: suggest
triggers: [{type: manual}]
steps:
  - {id: note, name: Note it, uses: acme.note, with: {text: east is drained}}
"""
MODULE = """
from typing import ClassVar
from pydantic import BaseModel
from opsbot.runbook.action import Action, NoOutputs, Outcome

class Nothing(BaseModel):
    pass

def named(text):
    class Made(Action[Nothing]):
        name: ClassVar[str] = text
        summary: ClassVar[str] = "Does nothing."
        arguments = Nothing
        async def act(self, arguments, context):
            return Outcome("done")
    return Made()

def good(parts): return [named("mine.good")]
def twin(parts): return [named("mine.good")]
def ours(parts): return [named("serving.mine")]
def bare(parts): return [named("mine")]
def broken(parts): raise RuntimeError("no such system")
def strange(parts): return [42]
def none(parts): return None
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as pip installs it, in a folder of its own."""
    assert int(setuptools.__version__.split(".")[0]) >= 77, "the template's own line of requirements"
    target = tmp_path_factory.mktemp("site")
    # A copy: building leaves its traces in the folder.
    source = shutil.copytree(TEMPLATE, tmp_path_factory.mktemp("source") / "template")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(target), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target


def opsbot(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of opsbot where the template is installed."""
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120
    )


def settings(folder: Path, plugins: str) -> str:
    """A file of settings with one runbook that uses the template's action."""
    (folder / "runbooks").mkdir()
    (folder / "runbooks/note.yaml").write_text(RUNBOOK)
    (folder / "rules").mkdir()
    file = folder / "opsbot.yaml"
    file.write_text(
        "version: 1\nserving: [{cluster: east, url: 'http://127.0.0.1:8000'}]\n"
        f"runbooks: [{folder}/runbooks]\nalert_rules: [{folder}/rules]\n{plugins}"
    )
    return str(file)


def test_the_template_works_as_its_readme_says(installed: Path, tmp_path: Path) -> None:
    """Once installed and set up, runbooks may use its action."""
    file = settings(tmp_path, f"actions: {{plugins: {{acme: {{file: '{tmp_path}/notices'}}}}}}\n")
    done = opsbot(installed, "opsbot", "check", "--config", file)
    assert (done.returncode, "no problems" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_template_s_own_test_passes(installed: Path) -> None:
    """Where it is installed, beside opsbot."""
    done = opsbot(
        installed,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-c",
        str(TEMPLATE / "pyproject.toml"),
        str(TEMPLATE / "tests"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_plug_in_that_is_not_set_up_is_named_by_check(installed: Path, tmp_path: Path) -> None:
    """With what to set, and the runbook that needs it."""
    done = opsbot(installed, "opsbot", "check", "--config", settings(tmp_path, ""))
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "plug-in acme (acme_opsbot:actions) cannot be used: ValueError: set actions.plugins.acme.file" in said
    assert "unknown action 'acme.note'" in said


def test_settings_of_a_plug_in_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    """A name that is misspelt must not pass for one that is obeyed."""
    (problem,) = load_plugins({"acme": {}}, SystemClock(), []).problems
    assert "no plug-in of that name is installed" in problem


def test_a_broken_plug_in_stops_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named with what is wrong, and the good one is there."""
    (tmp_path / "plugins_of_tests.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("good", "twin", "ours", "bare", "broken", "strange", "none", "missing")
    points = [EntryPoint(f"{index}-{name}", f"plugins_of_tests:{name}", GROUP) for index, name in enumerate(names)]
    points.append(EntryPoint("9-absent", "there_is_no_such_module:actions", GROUP))
    found = load_plugins({}, SystemClock(), points)
    assert [action.name for action in found.actions] == ["mine.good"]
    assert "mine.good" in names_only(found.actions).names()
    says = [
        "1-twin (plugins_of_tests:twin): the action 'mine.good' is the plug-in 0-good's already",
        "2-ours (plugins_of_tests:ours): the action 'serving.mine' begins with 'serving', which is opsbot's own",
        "3-bare (plugins_of_tests:bare): the action 'mine' needs a name with a prefix of its own",
        "4-broken (plugins_of_tests:broken) cannot be used: RuntimeError: no such system",
        "5-strange (plugins_of_tests:strange) cannot be used: TypeError: it yields int",
        "6-none (plugins_of_tests:none) cannot be used: TypeError",
        "7-missing (plugins_of_tests:missing) cannot be used: AttributeError",
        "9-absent (there_is_no_such_module:actions) cannot be used: ModuleNotFoundError",
    ]
    assert len(found.problems) == len(says)
    for problem, said in zip(found.problems, says, strict=True):
        assert problem.startswith(f"plug-in {said}")
