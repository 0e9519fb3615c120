"""What PagerDuty is to know of an incident, from what the incident is and what was sent last."""

from __future__ import annotations

import dataclasses

import pytest

from opsbot.alert.alert import Severity
from opsbot.incident.incident import IncidentState
from opsbot.notify.overdue import LAPSED
from opsbot.pagerduty.event import NEVER, dedup_key, incident_of_key, lapsed, next_event, payload
from tests.support.incident_views import make_incident

PAGED: frozenset[Severity] = frozenset({"critical", "high"})
OPEN, ACKNOWLEDGED, MITIGATED, RESOLVED = (
    make_incident(state, acknowledged_by="U1" if state is IncidentState.ACKNOWLEDGED else None)
    for state in (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED, IncidentState.RESOLVED)
)


@pytest.mark.parametrize(
    ("incident", "sent", "event"),
    [
        (OPEN, NEVER, "trigger:critical"),
        (OPEN, "trigger:critical", None),
        (OPEN, "trigger:error", "trigger:critical"),
        (OPEN, "acknowledge", "trigger:critical"),
        (OPEN, "resolve", "trigger:critical"),
        (ACKNOWLEDGED, NEVER, None),
        (ACKNOWLEDGED, "trigger:critical", "acknowledge"),
        (ACKNOWLEDGED, "acknowledge", None),
        (MITIGATED, "trigger:critical", None),
        (MITIGATED, "acknowledge", None),
        (RESOLVED, NEVER, None),
        (RESOLVED, "trigger:critical", "resolve"),
        (RESOLVED, "resolve", None),
    ],
)
def test_the_next_event_follows_from_the_state(incident: object, sent: str, event: str | None) -> None:
    """Whatever was missed meanwhile."""
    found = next_event(incident, PAGED, sent)  # type: ignore[arg-type]
    assert (None if found is None else str(found)) == event


def test_only_some_severities_page_and_a_rise_pages_then() -> None:
    """What stays below the line never reaches PagerDuty."""
    low = dataclasses.replace(OPEN, severity="low")
    assert next_event(low, PAGED, NEVER) is None
    assert str(next_event(dataclasses.replace(low, severity="high"), PAGED, NEVER)) == "trigger:error"


def test_a_merged_incident_is_over_there() -> None:
    """The other one pages for it."""
    merged = dataclasses.replace(ACKNOWLEDGED, merged_into="INC-9")
    assert str(next_event(merged, PAGED, "trigger:critical")) == "resolve"


def test_keys_are_an_installation_s_own() -> None:
    """Another's page is none of ours."""
    assert dedup_key("core-1", "INC-7") == "opsbot:core-1:INC-7"
    assert incident_of_key("core-1", "opsbot:core-1:INC-7") == "INC-7"
    assert incident_of_key("core-1", "opsbot:core-2:INC-7") is None
    assert incident_of_key("core-1", "") is None


def test_a_page_has_labels_and_no_more() -> None:
    """Bounded, and with how many alerts there are."""
    many = {f"label{index}": "x" * 1000 for index in range(100)}
    body = payload(dataclasses.replace(OPEN, title="t" * 5000, num_alerts=3, labels={"cluster": "eu-1", **many}))
    assert len(body["summary"]) == 1024
    assert (body["source"], body["severity"], body["group"]) == ("eu-1", "critical", "eu-1")
    assert len(body["custom_details"]["labels"]) == 32
    assert max(map(len, body["custom_details"]["labels"].values())) == 200
    assert payload(dataclasses.replace(OPEN, num_alerts=3))["summary"] == "INC-1 KV cache pressure on local and 2 more"


def test_an_acknowledgement_that_ran_out_is_not_repeated_by_itself() -> None:
    """PagerDuty wakes people again, and only a person ends that: the same again, another one, or the incident's end."""
    assert next_event(ACKNOWLEDGED, PAGED, lapsed("U1")) is None
    assert str(next_event(ACKNOWLEDGED, PAGED, LAPSED)) == "acknowledge"
    assert (
        str(next_event(dataclasses.replace(ACKNOWLEDGED, acknowledged_by="U2"), PAGED, lapsed("U1"))) == "acknowledge"
    )
    assert str(next_event(RESOLVED, PAGED, lapsed("U1"))) == "resolve"
    assert str(next_event(OPEN, PAGED, lapsed(None))) == "trigger:critical"
    assert len(lapsed("x" * 128)) <= 64
