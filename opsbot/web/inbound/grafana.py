"""The webhook of Grafana's unified alerting to alerts. Like Alertmanager it repeats what fires; its events have no ids.

Source: Grafana documentation, "Configure webhook notifications": the JSON body, and "HMAC signature".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsbot.alert.inbound import InboundEvent
from opsbot.web.inbound.alertmanager import AlertWire, number, to_alert
from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.parsed import Parsed, cut_text, parse_each

MAX_VALUES = 10
"""Of an alert that its text shows; a rule has rarely more than three queries."""


class GrafanaAlertWire(AlertWire):
    """One alert; `values` are the rule's queries and expressions by their letter, null while it has no data."""

    values: Any = None
    valueString: Any = None
    generatorURL: Any = None
    dashboardURL: Any = None
    panelURL: Any = None


def parse_grafana(body: object, source: str, now: float) -> Parsed:
    """The alerts of *body*.

    Raises: MalformedError if the body is not the webhook of unified alerting.
    """
    if isinstance(body, Mapping) and "evalMatches" in body:
        raise MalformedError(
            "this is the webhook of Grafana's legacy alerting; use unified alerting (Grafana 9 or later)"
        )
    if not isinstance(body, Mapping) or not isinstance(body.get("alerts"), list):
        raise MalformedError(
            "the body must be Grafana's webhook: an object with a list 'alerts'. Leave 'Custom payload' empty"
        )
    return parse_each(body["alerts"], "alerts", lambda item: _event(GrafanaAlertWire.model_validate(item), source))


def _event(wire: GrafanaAlertWire, source: str) -> InboundEvent:
    values = _numbers(wire.values)
    annotations = dict(wire.annotations)
    if values:
        annotations.setdefault("values", ", ".join(f"{name}={value:g}" for name, value in values.items()))
    elif isinstance(wire.valueString, str) and wire.valueString:
        annotations.setdefault("values", cut_text(wire.valueString))
    link = next((url for url in (wire.panelURL, wire.dashboardURL, wire.generatorURL) if _is_link(url)), None)
    if link is not None:
        annotations.setdefault("link", link)
    wire = wire.model_copy(update={"annotations": annotations})
    return InboundEvent(to_alert(wire, source, next(iter(values.values()), None)))


def _numbers(values: Any) -> dict[str, float]:
    """By letter. The first is a query or its reduction; thresholds, which are 0 or 1, have later letters."""
    if not isinstance(values, Mapping):
        return {}
    found = {str(name)[:40]: number(value) for name, value in values.items()}
    return {name: value for name, value in sorted(found.items())[:MAX_VALUES] if value is not None}


def _is_link(url: Any) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= 2048
