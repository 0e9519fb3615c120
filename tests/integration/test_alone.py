"""`opsbot run --standalone`: a durable run without a bot, as a person at a terminal starts it, on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.serving_server import CONTROL, CONTROL_TOKEN, ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

BASE = 8
PERSONAL = "of-ana"
RUNBOOK = """\
version: 1
id: smaller
name: Make the batch smaller
owner: tests
mode: suggest
triggers: [{type: manual}]
inputs: {limit: {type: integer, default: 4, min: 1}}
steps:
  - id: batch
    name: Make the batch smaller
    uses: serving.set_batch
    with: {limit: "${{ inputs.limit }}"}
    lease: 30s
    approval: {from: ROLE}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server for the module."""
    with serving(tmp_path_factory.mktemp("alone") / "l.jsonl", "--max-num-seqs", str(BASE)) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: ServingServer) -> Path:
    """Settings and a runbook, as somebody without a bot has them."""
    settings: Mapping[str, Any] = {
        "version": 1,
        "data_dir": str(tmp_path / "data"),
        "serving": [{"cluster": "local", "url": server.url}],
        "people": [{"user": "cli:ana", "roles": ["responder"], "token_env": "OPSBOT_PERSONAL_TOKEN"}],
        "runbooks": [str(tmp_path / "books")],
    }
    (tmp_path / "opsbot.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "books").mkdir()
    (tmp_path / "books/smaller.yaml").write_text(RUNBOOK.replace("ROLE", "responder"))
    return tmp_path


def start(folder: Path, *arguments: str, token: str | None = None) -> subprocess.Popen[str]:
    """The command, with nobody at its terminal."""
    environment = {
        **os.environ,
        "SERVING_CONTROL_TOKEN": CONTROL_TOKEN,
        "OPSBOT_PERSONAL_TOKEN": PERSONAL if token is None else token,
    }
    command = (sys.executable, "-m", "opsbot", "run", "smaller", "--standalone", "--cluster", "local", *arguments)
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and what it said."""
    said, _ = process.communicate(timeout=40)
    return process.returncode, said


def in_force(server: ServingServer) -> int:
    """The batch limit now."""
    answer = httpx.get(f"{server.url}/control/v1/knobs", headers=CONTROL, trust_env=False)
    return int(next(knob["in_force"] for knob in answer.json()["knobs"] if knob["knob"] == "batch_limit"))


def test_a_run_is_made_held_and_given_back(folder: Path, server: ServingServer) -> None:
    """With `--yes` and a time to hold; every step stands on the terminal."""
    status, said = finish(start(folder, "--yes", "--hold", "1s", "--set", "limit=3"))
    assert status == 0, said
    assert "Batch limit of local set from 8 to 3" in said
    assert "Released: batch limit of local is 8 again" in said
    assert in_force(server) == BASE


def test_without_anybody_to_ask_nothing_is_changed(folder: Path, server: ServingServer) -> None:
    """It says what to type instead."""
    status, said = finish(start(folder))
    assert status == 1
    assert "`--yes` approves what you may approve" in said
    assert in_force(server) == BASE


def test_yes_grants_only_what_the_person_may(folder: Path, server: ServingServer) -> None:
    """A responder is no commander here either; the question stays open until it is cancelled."""
    (folder / "books/smaller.yaml").write_text(RUNBOOK.replace("ROLE", "commander, timeout: 2s"))
    status, said = finish(start(folder, "--yes"))
    assert status == 1
    assert "the role commander is needed; cli:ana has responder" in said
    assert in_force(server) == BASE


def test_killed_in_the_middle_it_goes_on(folder: Path, server: ServingServer) -> None:
    """What was held is held on and then given back; meanwhile nobody else may use the folder."""
    first = start(folder, "--yes", "--hold", "1h")
    until_sync(lambda: in_force(server) == 4, 20)
    status, said = finish(start(folder, "--yes"))
    assert (status, "another standalone run is under way" in said) == (1, True)
    first.kill()
    first.communicate(timeout=10)
    time.sleep(0.2)
    assert in_force(server) == 4
    status, said = finish(start(folder, "--yes", "--hold", "1s"))
    assert status == 0, said
    assert "was left in the middle here; it goes on now" in said
    assert in_force(server) == BASE


def test_it_must_be_known_who_asks(folder: Path) -> None:
    """The error names the variables."""
    status, said = finish(start(folder, token=""))
    assert status == 1
    assert "the variables are: OPSBOT_PERSONAL_TOKEN" in said
