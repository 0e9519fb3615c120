"""Every shipped runbook has its row, and rules and runbooks name each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook
from tests.support.rule_packs import book
from tests.support.runbooks import registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/runbook-library.md").read_text(encoding="utf-8")
ROWS = {line.split("|")[1].strip(" `"): line.split("|") for line in PAGE.splitlines() if line.startswith("| `")}


def shipped() -> dict[str, Runbook]:
    """The shipped runbooks by id."""
    found = {}
    for path in sorted((ROOT / "runbooks").rglob("*.yaml")):
        if ".test." not in path.name:
            runbook, problems = loads_runbook(path.read_text(encoding="utf-8"), path.name, registry())
            assert runbook is not None, problems
            found[runbook.runbook_id] = runbook
    return found


RUNBOOKS = shipped()
RULES = {rule.name: rule for rule in book().rules}


@pytest.mark.parametrize("runbook_id", RUNBOOKS)
def test_every_runbook_has_its_row(runbook_id: str) -> None:
    """Which names every shipped rule that starts it, and no number is missing."""
    row = ROWS[runbook_id]
    named = set(re.findall(r"`([A-Za-z]+)`", row[2]))
    runbook = RUNBOOKS[runbook_id]
    starting = {name for name in RULES if any(one.is_for({"alertname": name}) for one in runbook.triggers)}
    assert starting <= named
    assert not re.search(r"\b[A-Z]{5,}\b", row[6]), "something is yet to be measured"


def test_every_row_is_a_runbooks() -> None:
    """None is told of that does not ship."""
    assert ROWS.keys() == RUNBOOKS.keys()


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if "runbook" in rule.annotations])
def test_a_rule_names_the_runbook_that_its_alert_starts(name: str) -> None:
    """Or an address; and a runbook that a rule starts is named by it."""
    rule = RULES[name]
    runbook = RUNBOOKS[rule.annotations["runbook"]]
    assert any(one.is_for({**rule.labels, "alertname": name}) for one in runbook.triggers)


def test_a_runbook_is_named_by_the_rules_that_start_it() -> None:
    """So that people who read the alert know."""
    unnamed = {
        name
        for name, rule in RULES.items()
        for runbook in RUNBOOKS.values()
        if any(one.is_for({**rule.labels, "alertname": name}) for one in runbook.triggers)
        and rule.annotations.get("runbook") != runbook.runbook_id
    }
    assert unnamed == set()
