"""Coverage names every way through a runbook that no test has taken."""

from __future__ import annotations

from pathlib import Path

from opsbot.action.registry import names_only
from opsbot.testing.coverage import coverage
from tests.support.runbook_tests import performed

ALL = [
    "read: acted",
    "read: broke",
    "resize: acted",
    "resize: skipped by if",
    "resize: broke",
    "resize: not verified",
    "resize: undone",
    "resize: approval granted",
    "resize: approval refused",
    "resize: approval expired",
    "restart: acted",
    "restart: broke",
    "restart: announcement passed",
    "restart: announcement objected",
    "look: acted",
    "look: broke",
    "on_failure: rollback",
    "on_resolve: release",
    "finally",
]
APPROVE = "approve: [{step: resize}]"
ONE_BY_ONE = {
    f"{{name: one, {APPROVE}, resolve: 15m, expect: {{state: succeeded}}}}": {
        "read: acted", "resize: acted", "resize: approval granted", "restart: acted", "restart: announcement passed",
        "look: acted", "on_resolve: release", "finally",
    },
    "{name: one, deny: [{step: resize}], expect: {state: cancelled}}": {
        "read: acted", "resize: approval refused", "look: acted", "finally",
    },
    "{name: one, expect: {state: cancelled}}": {"read: acted", "resize: approval expired", "look: acted", "finally"},
    f"{{name: one, {APPROVE}, object: [{{step: restart}}], expect: {{state: holding}}}}": {
        "read: acted", "resize: acted", "resize: approval granted", "restart: announcement objected",
    },
    "{name: one, input_series: [{series: 'up{cluster=\"b\"}', values: _x99}], object: [{step: restart}], "
    "expect: {state: succeeded}}": {
        "read: acted", "resize: skipped by if", "restart: announcement objected", "look: acted", "finally",
    },
    "{name: one, mock: {read: {error: refused}}, expect: {state: failed}}": {"read: broke", "look: acted", "finally"},
    f"{{name: one, {APPROVE}, mock: {{restart: {{error: refused}}}}, expect: {{state: undone}}}}": {
        "read: acted", "resize: acted", "resize: approval granted", "resize: undone", "restart: broke",
        "restart: announcement passed", "on_failure: rollback", "look: acted", "finally",
    },
    f"{{name: one, {APPROVE}, input_series: [{{series: 'up{{cluster=\"b\"}}', values: 0.5x9999}}], "
    "expect: {state: undone}}": {
        "read: acted", "resize: acted", "resize: approval granted", "resize: not verified", "resize: undone",
        "look: acted", "finally",
    },
}  # fmt: skip


def test_each_test_shows_its_branches_and_no_others(tmp_path: Path) -> None:
    """Written out, test by test."""
    verdicts = performed(
        tmp_path,
        "".join(f"  - {text}\n".replace("name: one", f"name: t{index}") for index, text in enumerate(ONE_BY_ONE)),
    )
    for verdict, expected in zip(verdicts, ONE_BY_ONE.values(), strict=True):
        assert verdict.failures == ()
        found = coverage(verdict.case.runbook, names_only(), [verdict.seen])
        assert [str(branch) for branch in found.branches] == ALL
        assert {str(branch) for branch in found.taken} == expected


def test_nothing_is_shown_without_tests(tmp_path: Path) -> None:
    """Everything is missing then."""
    (verdict,) = performed(tmp_path, "  - {name: one, expect: {state: cancelled}}\n")
    found = coverage(verdict.case.runbook, names_only(), [])
    assert found.percent == 0.0
    assert [str(branch) for branch in found.missing] == ALL
