"""Inputs that somebody gives a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.errors import ConfigError
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.given import checked_inputs
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook
from tests.support.run_people import WriteNote

TEXT = """
version: 1
id: given
name: Given
owner: tests
mode: auto
triggers: [{type: manual}]
inputs:
  cluster_from: {type: string, required: true, description: where to drain, pattern: "[a-z0-9-]+"}
  limit: {type: integer, default: 3, min: 1, max: 8}
  share: {type: number, default: 0.5}
  is_hard: {type: boolean, default: false}
  how: {type: string, default: slow, enum: [slow, fast]}
  always: {type: integer, default: 7, immutable: true}
steps:
  - {id: one, name: One, uses: note.write, with: {text: x}}
"""


@pytest.fixture(scope="module")
def runbook() -> Runbook:
    """With an input of each kind."""
    loaded, problems = loads_runbook(TEXT, "given.yaml", ActionRegistry([WriteNote(Path("unused"))]))
    assert loaded is not None, problems
    return loaded


def test_text_is_read_as_the_type_that_is_declared(runbook: Runbook) -> None:
    """As it comes from a command line; typed values stay as they are, and defaults are not repeated."""
    given = {"cluster_from": "eu-1", "limit": "8", "share": "0.25", "is_hard": "yes", "how": "fast", "always": "7"}
    assert checked_inputs(runbook, given) == {
        "cluster_from": "eu-1", "limit": 8, "share": 0.25, "is_hard": True, "how": "fast", "always": 7
    }  # fmt: skip
    assert checked_inputs(runbook, {"cluster_from": "8", "limit": 2}) == {"cluster_from": "8", "limit": 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "cluster_from must be given (string: where to drain)"),
        ({"cluster_from": "EU 1"}, "cluster_from: 'EU 1' does not match the pattern"),
        ({"limit": "many"}, "limit: 'many' is no integer"),
        ({"limit": "9"}, "limit: 9 is more than max 8"),
        ({"limit": True}, "limit: true is no integer"),
        ({"share": []}, "share: [] is no number"),
        ({"is_hard": "perhaps"}, "is_hard: 'perhaps' is no boolean"),
        ({"how": "quick"}, "how: 'quick' is none of 'slow', 'fast'"),
        ({"always": "8"}, "always is always 7: nobody may give another value"),
        ({"limt": "8"}, "there is no input 'limt', did you mean 'limit'?; given takes always, cluster_from"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(runbook: Runbook, given: dict[str, object], said: str) -> None:
    """Each in a word or two."""
    with pytest.raises(ConfigError) as caught:
        checked_inputs(runbook, {**({} if not given else {"cluster_from": "eu-1"}), **given})
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once(runbook: Runbook) -> None:
    """Nobody wants to find them one by one at night."""
    with pytest.raises(ConfigError) as caught:
        checked_inputs(runbook, {"limit": "many", "how": "quick"})
    assert str(caught.value).count(";") == 2
