"""docs/workspace.md names every method with its limit and scopes, who is there, and every key of a fault."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from opsbot.workspace.api import WebApi
from opsbot.workspace.api_scopes import SCOPES
from opsbot.workspace.faults import Fault, Faults
from opsbot.workspace.files import Files
from opsbot.workspace.rate_limits import RATES, RateLimits
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.state import WorkspaceState

PAGE = (Path(__file__).parents[2] / "docs/workspace.md").read_text(encoding="utf-8")
SETTINGS = WorkspaceSettings("b", "a", "p")
STATE = WorkspaceState(SETTINGS)
METHODS = WebApi(STATE, Faults(), lambda request: "", Files(STATE), RateLimits()).methods
ROWS = dict(re.findall(r"^\| `([a-zA-Z]+(?:\.[a-zA-Z]+)+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_method_has_a_row_and_no_other() -> None:
    """Views have a section of their own."""
    assert sorted(name for name in ROWS if not name.startswith("views.")) == sorted(
        name for name in METHODS if not name.startswith("views.")
    )


@pytest.mark.parametrize("method", sorted(name for name in METHODS if not name.startswith("views.")))
def test_a_method_is_described_as_it_is(method: str) -> None:
    """Calls a minute, and the scopes of which it needs one."""
    limit, scopes, _ = (cell.strip() for cell in ROWS[method].split("|"))
    assert (limit, re.findall(r"`([^`]+)`", scopes)) == (str(RATES[method].per_minute), list(SCOPES.get(method, ())))


@pytest.mark.parametrize("name", [field.name for field in fields(Fault)])
def test_every_key_of_a_fault_has_a_row(name: str) -> None:
    """Under its own name."""
    assert f"| `{name}` |" in PAGE


def test_everybody_is_named() -> None:
    """Channels, people and groups, by id."""
    ids = [one.channel_id for one in SETTINGS.channels] + [one.user_id for one in SETTINGS.members]
    ids += [one.group_id for one in SETTINGS.user_groups]
    assert [found for found in ids if f"`{found}`" not in PAGE] == []
