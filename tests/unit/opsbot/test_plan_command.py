"""`opsbot plan` as it is typed: which runbook, which alert, which inputs, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opsbot.cli import main
from tests.support.ports import free_port

RUNBOOK = """\
version: 1
id: page-somebody
name: Look at the queue
owner: oncall
mode: auto
triggers: [{type: alert, match: {alertname: QueueLong}, matchers: ['cluster=~"eu-.*"']}]
inputs:
  limit: {type: integer, default: 8, max: 16}
  region: {type: string, default: eu, immutable: true}
  deep: {type: boolean, default: false}
steps:
  - id: look
    name: Look
    if: inputs.limit > 9
    uses: prometheus.query
    with: {query: up}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings whose servers do not listen, and one runbook."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks/queue.yaml").write_text(RUNBOOK)
    (tmp_path / "opsbot.yaml").write_text(
        f"version: 1\nrunbooks: [{tmp_path}/runbooks]\nalert_rules: []\nwatch: {{port: {free_port()}}}\n"
        'serving: [{cluster: eu-1, url: "http://127.0.0.1:9"}]\n'
    )
    return tmp_path


def plan(folder: Path, *arguments: str) -> Result:
    """The command, over those settings."""
    return CliRunner().invoke(main, ["plan", *arguments, "--config", str(folder / "opsbot.yaml")])


def alert(folder: Path, name: str, content: object) -> str:
    """The path of an alert's file."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


LABELS = {"alertname": "QueueLong", "cluster": "eu-1"}


def test_by_file_and_by_id(folder: Path) -> None:
    """Both name the same runbook."""
    for name in (str(folder / "runbooks/queue.yaml"), "page-somebody"):
        done = plan(folder, name)
        assert done.exit_code == 0
        assert "is skipped: inputs.limit > 9 is false" in done.output


def test_an_unknown_runbook_gets_a_suggestion(folder: Path) -> None:
    """And a broken file that may have been meant is told too."""
    (folder / "runbooks/broken.yaml").write_text("version: 2\n")
    done = plan(folder, "page-sombody")
    assert done.exit_code == 1
    assert "there is no file and no runbook 'page-sombody', did you mean 'page-somebody'?" in done.output
    assert "broken.yaml:1:10: version: 1 is needed, not 2" in done.output


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "labels: {alertname: QueueLong, cluster: eu-1}\nvalue: 12\n"),
        ("a.json", {"labels": LABELS, "annotations": {"summary": "long"}, "value": 12}),
        (
            "am.json",
            {
                "version": "4",
                "alerts": [
                    {"status": "resolved", "labels": {"alertname": "Old"}, "startsAt": "2026-01-01T00:00:00Z"},
                    {"status": "firing", "labels": LABELS, "startsAt": "2026-01-01T00:00:00Z"},
                ],
            },
        ),
    ],
)
def test_alerts_as_people_have_them(folder: Path, name: str, content: object) -> None:
    """Typed by hand, or saved from Alertmanager: the first that fires counts."""
    done = plan(folder, "page-somebody", "--alert", alert(folder, name, content))
    assert done.exit_code == 0, done.output
    assert "this alert starts it" in done.output
    assert "alertname=QueueLong cluster=eu-1" in done.output


def test_an_alert_that_starts_nothing_is_a_problem(folder: Path) -> None:
    """Its labels do not match."""
    other = alert(folder, "a.yaml", "labels: {alertname: QueueLong, cluster: us-1}\n")
    done = plan(folder, "page-somebody", "--alert", other)
    assert done.exit_code == 1
    assert "no trigger of it is for this alert" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.yaml", "lables: {a: b}\n", "a.yaml:1:1: unknown key 'lables', did you mean 'labels'?"),
        ("a.yaml", "labels: {a: 1}\n", "a: text is needed, not 1"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", {"alerts": [{"labels": {}}]}, "no alert can be read from it"),
    ],
)
def test_a_file_that_is_no_alert_says_what_is_needed(folder: Path, name: str, content: object, said: str) -> None:
    """At its place, where the file has lines."""
    done = plan(folder, "page-somebody", "--alert", alert(folder, name, content))
    assert done.exit_code == 1
    assert said in done.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("limit=20", "--set limit=20: 20 is more than max 16"),
        ("limit=many", "--set limit=many: 'many' is no integer"),
        ("limt=4", "--set limt=4: no input 'limt', did you mean 'limit'?"),
        ("limit", "--set limit: write it as name=value"),
        ("region=us", "--set region=us: nobody may give another value than the default"),
        ("deep=yes", "--set deep=yes: 'yes' is no boolean"),
    ],
)
def test_inputs_are_checked(folder: Path, given: str, said: str) -> None:
    """As they will be when the run is started."""
    done = plan(folder, "page-somebody", "--set", given)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())


def test_a_given_input_counts(folder: Path) -> None:
    """The condition holds with it; the source that then does not answer is told, and the exit status too."""
    done = plan(folder, "page-somebody", "--set", "limit=10", "--json")
    found = json.loads(done.output)
    assert (found["inputs"]["limit"], found["steps"][0]["standing"], done.exit_code) == (10, "fails", 1)
    assert "does not answer" in found["problems"][0]


def test_a_disabled_runbook_could_not_run(folder: Path) -> None:
    """Nothing would start it."""
    path = folder / "runbooks/queue.yaml"
    path.write_text(RUNBOOK.replace("mode: auto", "mode: auto\nenabled: false"))
    done = plan(folder, str(path))
    assert done.exit_code == 1
    assert "it is loaded and checked, and never started" in " ".join(done.output.split())
