"""The command line as a whole: commands are imported when they are invoked, and the list says what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner

from opsbot.cli import COMMANDS, main
from opsbot.lazy_group import LazyCommand, LazyGroup

HEAVY = ("pydantic", "sqlalchemy", "httpx", "yaml", "cel_expr_python", "numpy", "promql_parser", "asyncio")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_says_what_the_command_says(name: str) -> None:
    """Each command is where the table says, under its own name, and its help begins with the table's sentence."""
    command = COMMANDS[name].load()
    assert command.name == name
    told = click.Command(name, help=COMMANDS[name].help)
    for width in (30, 45, 200):
        assert command.get_short_help_str(width) == told.get_short_help_str(width)
    assert not command.hidden


def test_the_list_names_every_command() -> None:
    """`opsbot --help` lists all of the table, sorted, and whatever was added in the usual way."""
    output = CliRunner().invoke(main, ["--help"]).output
    listed = [line.split()[0] for line in output.split("Commands:\n")[1].splitlines()]
    assert listed == sorted({*COMMANDS, *main.commands})


def test_help_imports_nothing_heavy() -> None:
    """A fresh process that shows the list has imported click, and none of what only commands need."""
    code = (
        "import json, sys\nfrom opsbot.cli import main\n"
        "main(['--help'], standalone_mode=False)\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert modules >= {"click", "opsbot.cli"}
    assert modules & set(HEAVY) == set()
    assert [name for name in modules if name.startswith("opsbot.") and name.endswith("_command")] == []


def test_commands_of_both_kinds_stand_side_by_side() -> None:
    """A group lists and finds commands by place and commands that were added; one of neither kind is unknown."""

    class Both(LazyGroup):
        lazy: ClassVar = {"later": LazyCommand("oncall_command:oncall", "Say who.")}

    group = Both("both", commands=[click.Command("now", help="At once.")])
    context = click.Context(group)
    assert group.list_commands(context) == ["later", "now"]
    assert (found := group.get_command(context, "later")) is not None
    assert found.name == "oncall"
    assert group.get_command(context, "now") is not None
    assert group.get_command(context, "never") is None


def test_a_command_that_is_not_where_the_table_says_is_our_mistake() -> None:
    """A wrong place is no unknown command: it raises where the mistake is."""
    with pytest.raises(AttributeError, match="nothing"):
        LazyCommand("oncall_command:nothing", "").load()


def test_the_collector_rests_only_while_commands_are_imported() -> None:
    """Started with it off, a command runs with it on, however the command was added; what was imported is left out."""
    code = (
        "import gc\nimport click\nfrom opsbot.cli import main\n"
        "show = lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000)\n"
        "main.add_command(click.Command('now', callback=show))\n"
        "gc.disable()\nshow()\nmain(['now'], standalone_mode=False)\nshow()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False False", "True True", "True True"]


def test_the_script_ends_with_the_commands_status() -> None:
    """`python -m opsbot` is the same door: output, exit status and errors of ours are those of the command."""
    found = [
        subprocess.run([sys.executable, "-m", "opsbot", *arguments], capture_output=True, text=True, check=False)
        for arguments in (["--version"], ["check", "/nowhere/none.yaml"], ["oncall", "--config", "/nowhere/none.yaml"])
    ]
    assert [one.returncode for one in found] == [0, 1, 1]
    assert found[0].stdout.startswith("opsbot, version ")
    assert found[1].stdout == "/nowhere/none.yaml:1:1: no such file or folder\n"
    assert found[2].stderr.startswith("opsbot: /nowhere/none.yaml: no such file; name one with --config")
