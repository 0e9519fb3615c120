"""docs/runbooks.md, "Running by hand", names every way to do every thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from opsbot import cli
from opsbot.people import Person
from opsbot.slack.helping import help_text
from opsbot.slack.run_words import VERBS
from opsbot.web.runs import RunsApi
from opsbot.web.tokens import Tokens
from tests.support.recorded_commands import RecordedCommands

PAGE = (Path(__file__).parents[2] / "docs/runbooks.md").read_text(encoding="utf-8").partition("## Running by hand")[2]
MODULES = ("run_command:", "run_control_command:", "halt_command:")
COMMANDS = [name for name, command in cli.COMMANDS.items() if command.place.startswith(MODULES)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_named(name: str) -> None:
    """As it is typed."""
    assert f"`opsbot {name}" in PAGE


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_word_of_slack_is_named(verb: str) -> None:
    """On the page, and in the help that `/ops help` gives."""
    assert f"`/ops {verb}" in PAGE
    assert f"`{verb}`" in help_text()


def routes() -> list[Route]:
    """The API's."""
    return RunsApi(RecordedCommands(), Tokens.of("machine", {}), lambda user: Person(user)).routes()


@pytest.mark.parametrize("path", sorted({route.path for route in routes()}))
def test_every_route_is_named(path: str) -> None:
    """By its last part, with what stands for the id."""
    names = {"run_id:path": "RUN", "number": "N"}
    plain = re.sub(r"\{([^}]+)\}", lambda found: names.get(found[1], "ID"), path.removeprefix("/api/v1"))
    *_, kind, last = plain.split("/")
    assert f"{kind}/{last}" in PAGE or f"…/{last}`" in PAGE
