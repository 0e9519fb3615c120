"""What holds for every shipped action, and that knowing them costs little."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from opsbot.action.registry import ACTIONS as ACTION_TABLE
from opsbot.action.registry import names_only
from opsbot.cli import main
from opsbot.runbook.action import Action
from tests.support.runbooks import registry

ACTIONS = {action.name: action for action in registry()}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: action.name)
def test_every_argument_and_output_is_explained(action: Action[Any]) -> None:
    """In the reference, and in editors."""
    for model in (action.arguments, action.outputs):
        for name, field in model.model_fields.items():
            assert field.description, f"{action.name}: {name}"


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: action.name)
def test_what_is_declared_fits_together(action: Action[Any]) -> None:
    """A lease can be taken back, what only reads changes nothing, and a summary is one sentence."""
    assert not action.takes_lease or action.is_reversible
    assert not action.is_read_only or not (action.takes_lease or action.is_reversible or action.is_risky)
    assert action.summary.endswith(".")
    assert action.arguments.model_config["extra"] == "forbid"
    assert action.outputs.model_config["extra"] == "forbid"


def test_each_action_stands_under_its_own_name() -> None:
    """The table that says where an action is says so under the name that the action itself has."""
    assert [action.name for action in names_only()] == list(ACTION_TABLE)


def test_checking_files_loads_no_http_client() -> None:
    """Nothing is called, so what calls is not loaded: a check of one file starts at once."""
    code = (
        "import sys; from opsbot.action.registry import names_only; list(names_only()); print('httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_lists_them() -> None:
    """All, or one; a name that is not there is answered with those that are."""
    assert "| [`serving.shed`](#servingshed) |" in CliRunner().invoke(main, ["actions"]).output
    one = CliRunner().invoke(main, ["actions", "wait.for"]).output
    assert "### wait.for" in one
    assert "serving" not in one
    missing = CliRunner().invoke(main, ["actions", "wait.four"])
    assert missing.exit_code == 1
    assert "there is no action 'wait.four' here; known are" in missing.output
