"""Datadog's webhook: its variables, and what of them says that two events are about the same thing."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.alert.alert import Alert, AlertState, Severity
from opsbot.web.inbound.datadog import PAYLOAD, parse_datadog
from opsbot.web.inbound.errors import MalformedError
from tests.unit.opsbot.web.inbound.examples import DATADOG

NOW = 1500000000.0


def alert(**changes: Any) -> Alert:
    """The documentation's event, changed."""
    (event,) = parse_datadog({**DATADOG, **changes}, "datadog", NOW).events
    return event.alert


def test_the_documented_variables() -> None:
    """Title without its prefix, tags as labels, the priority as severity, milliseconds as seconds."""
    given = alert()
    assert given.labels == {
        "alertname": "Host is Down",
        "severity": "high",
        "monitor": "1234",
        "availability_zone": "us-east-1a",
        "role": "computing-node",
        "name": "myService",
    }
    assert given.annotations == {
        "summary": "Host is Down",
        "description": "The host does not answer.",
        "link": "https://app.datadoghq.com/event/jump_to?event_id=123456",
    }
    assert (given.state, given.starts_at, given.source) == (AlertState.FIRING, 1406662672.0, "datadog")


@pytest.mark.parametrize(
    ("transition", "state", "is_blind"),
    [
        ("Triggered", "firing", False),
        ("Re-Triggered", "firing", False),
        ("Warn", "firing", False),
        ("Re-Warn", "firing", False),
        ("Renotify", "firing", False),
        ("No Data", "firing", True),
        ("Re-No Data", "firing", True),
        ("Recovered", "resolved", False),
    ],
)
def test_every_documented_transition(transition: str, state: str, is_blind: bool) -> None:
    """Each value of $ALERT_TRANSITION; missing data is held, never taken for recovery."""
    given = alert(alert_transition=transition)
    assert (given.state, given.annotations.get("opsbot_blind") == "true") == (state, is_blind)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alert_priority": "P1"}, "critical"),
        ({"alert_priority": "P5"}, "info"),
        ({"alert_priority": "null"}, "high"),
        ({"alert_priority": "", "alert_type": "warning"}, "medium"),
        ({"alert_priority": "$ALERT_PRIORITY", "alert_type": "$ALERT_TYPE"}, "medium"),
        ({"tags": "severity:critical"}, "critical"),
        ({"tags": "severity:unheard-of"}, "high"),
    ],
)
def test_how_severe_it_is(changes: dict[str, str], expected: Severity) -> None:
    """The tag `severity`, else the monitor's priority, else the kind of event."""
    assert alert(**changes).severity == expected


def test_the_same_monitor_and_group_is_the_same_alert() -> None:
    """Whatever title, severity, tags and order of the scope are by then; another group is another alert."""
    again = alert(
        alert_title="[Recovered] Host is up",
        alert_type="success",
        alert_priority="P4",
        tags="",
        alert_scope="role:computing-node,availability-zone:us-east-1a",
        alert_transition="Recovered",
    )
    assert again.fingerprint == alert().fingerprint
    assert alert(alert_scope="role:other").fingerprint != alert().fingerprint
    assert alert(alert_id="1235").fingerprint != alert().fingerprint


def test_events_without_a_transition_go_by_their_type() -> None:
    """An event that no monitor sent begins an alert as an error and ends one as a success."""
    assert alert(alert_transition="", alert_type="error").state is AlertState.FIRING
    assert alert(alert_transition="null", alert_type="success").state is AlertState.RESOLVED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"alert_transition": "Muted"}, "is 'muted'"),
        ({"alert_transition": "", "alert_type": "info"}, "neither begins"),
        ({"alert_id": "$ALERT_ID", "aggreg_key": ""}, "one of them is needed"),
    ],
)
def test_what_is_no_alert(changes: dict[str, str], says: str) -> None:
    """The variable that is wrong is named."""
    with pytest.raises(MalformedError, match=says):
        alert(**changes)


def test_a_payload_as_pasted_is_no_alert() -> None:
    """Without anything filled in, nothing opens."""
    with pytest.raises(MalformedError, match="ALERT_ID"):
        parse_datadog(PAYLOAD, "datadog", NOW)


def test_ids() -> None:
    """$ID names the event; without it, what happened to which cycle and when; without that, nothing does."""
    ids = [
        parse_datadog({**DATADOG, **changes}, "datadog", NOW).events[0].event_id
        for changes in ({}, {"id": "$ID"}, {"id": "", "alert_cycle_key": "null"})
    ]
    assert ids == ["1234567", "7716548234011:Triggered:1406662672000", None]


@pytest.mark.parametrize("date", ["", "null", "soon", "-1", "1e400", "99999999999999999", None, [1], True])
def test_a_time_that_is_none_is_now(date: Any) -> None:
    """The alert counts all the same."""
    assert alert(date=date).starts_at == NOW


def test_numbers_may_be_numbers() -> None:
    """A payload pasted without quotation marks works, too; seconds are told from milliseconds."""
    assert alert(alert_id=1234, date=1406662672).fingerprint == alert().fingerprint
    assert alert(date=1406662672).starts_at == 1406662672.0


def test_a_thousand_tags_are_cut() -> None:
    """Labels are at most 64, and the ones that matter are among them."""
    labels = alert(tags=",".join(f"t{number}:v" for number in range(1000))).labels
    assert len(labels) == 64
    assert labels["monitor"] == "1234"
