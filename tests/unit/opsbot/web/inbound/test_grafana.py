"""Grafana's webhook, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from opsbot.alert.alert import AlertState
from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.grafana import parse_grafana
from tests.unit.opsbot.web.inbound.examples import GRAFANA


def with_alert(**changes: Any) -> Mapping[str, Any]:
    """The documentation's body with one alert, changed."""
    return {**GRAFANA, "alerts": [{**GRAFANA["alerts"][0], **changes}]}


def test_the_documented_body() -> None:
    """Both alerts: labels as they are, value of the first query, the panel to look at."""
    parsed = parse_grafana(GRAFANA, "grafana", 0.0)
    first, second = (event.alert for event in parsed.events)
    assert parsed.rejected == ()
    assert first.labels == {"alertname": "High memory usage", "team": "blue", "zone": "us-1"}
    assert (first.state, first.starts_at, first.ends_at) == (AlertState.FIRING, 1634025063.157076, None)
    assert (first.value, first.annotations["values"]) == (44.23943737541908, "B=44.2394, C=1")
    assert first.annotations["link"] == "https://play.grafana.org/d/abc?viewPanel=1"
    assert (second.state, second.ends_at) == (AlertState.RESOLVED, 1634025963.0)
    assert second.annotations["link"] == "https://play.grafana.org/alerting/d1rdpdv7k/edit"
    assert {event.event_id for event in parsed.events} == {None}


@pytest.mark.parametrize(
    ("values", "value"),
    [(None, None), ({}, None), ({"A": None, "B": 2}, 2.0), ({"A": "NaN?"}, None), ([1], None), ({"A": True}, None)],
)
def test_values_never_refuse_an_alert(values: Any, value: float | None) -> None:
    """No data, no numbers, another type: the alert counts, and has a value only where there is one."""
    (event,) = parse_grafana(with_alert(values=values), "grafana", 0.0).events
    assert event.alert.value == value


def test_older_versions_have_a_text_of_values() -> None:
    """Before Grafana 10 there is `valueString` alone; people see it."""
    (event,) = parse_grafana(with_alert(values=None, valueString="[ metric='' value=14 ]"), "grafana", 0.0).events
    assert event.alert.annotations["values"] == "[ metric='' value=14 ]"


def test_a_link_is_a_link() -> None:
    """What is no web address is not shown as one."""
    odd = {"panelURL": "javascript:alert(1)", "dashboardURL": 7, "generatorURL": ""}
    (event,) = parse_grafana(with_alert(**odd), "grafana", 0.0).events
    assert "link" not in event.alert.annotations


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"evalMatches": [], "state": "alerting"}, "unified alerting"),
        ({"text": "custom"}, "Leave 'Custom payload' empty"),
        ([], "a list 'alerts'"),
    ],
)
def test_what_is_not_grafanas(body: object, says: str) -> None:
    """Legacy alerting and payloads of one's own are told what to do."""
    with pytest.raises(MalformedError, match=says):
        parse_grafana(body, "grafana", 0.0)
