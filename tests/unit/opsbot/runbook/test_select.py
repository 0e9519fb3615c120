"""Which runbooks an alert starts."""

from __future__ import annotations

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.runbook.model import Runbook
from opsbot.runbook.select import select
from tests.support.runbooks import runbook

TEXT = """
version: 1
id: {name}
name: A runbook
owner: oncall
mode: observe
triggers: [{trigger}]
steps: [{{id: read, name: Read, uses: prometheus.query, with: {{query: up}}}}]
"""


def make(name: str, trigger: str) -> Runbook:
    """A runbook with that trigger."""
    return runbook(TEXT.format(name=name, trigger=trigger))


BOOKS = (
    make("narrow", "{type: alert, match: {alertname: Slow, cluster: a}}"),
    make("broad", "{type: alert, match: {alertname: Slow}}"),
    make("manual", "{type: manual}"),
    make("either", "{type: manual}, {type: alert, match: {cluster: b}}, {type: alert, match: {alertname: Slow}}"),
)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"alertname": "Slow", "cluster": "a"}, ["broad", "either", "narrow"]),
        ({"alertname": "Slow"}, ["broad", "either"]),
        ({"alertname": "Slowly", "cluster": "a"}, []),
        ({"alertname": "Other", "cluster": "b"}, ["either"]),
        ({}, []),
    ],
)
def test_an_alert_starts_what_it_matches(labels: dict[str, str], expected: list[str]) -> None:
    """Every label of a trigger must be there with exactly that value; each runbook is started once."""
    alert = Alert(labels, {}, AlertState.FIRING, 0.0)
    assert [one.runbook_id for one in select(alert, BOOKS)] == expected
