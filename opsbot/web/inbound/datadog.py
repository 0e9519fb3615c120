"""Datadog's webhook, with the payload that docs/inbound.md says to paste, to one alert.

Source: Datadog documentation, "Webhooks", section "Variables". The body has no form of its own: it is what its owner
pastes, with variables filled in. A variable that an event lacks comes empty, as `null`, or as its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from opsbot.alert.alert import Alert, AlertState, Severity
from opsbot.alert.inbound import InboundEvent
from opsbot.alert.severity import to_severity
from opsbot.incident.tracker import BLIND_ANNOTATION
from opsbot.labels import fingerprint
from opsbot.web.inbound.alertmanager import number
from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.parsed import LATEST_S, MAX_LABELS, Parsed, cut_annotations, describe

PAYLOAD = {
    "id": "$ID",
    "alert_id": "$ALERT_ID",
    "aggreg_key": "$AGGREG_KEY",
    "alert_cycle_key": "$ALERT_CYCLE_KEY",
    "alert_transition": "$ALERT_TRANSITION",
    "alert_type": "$ALERT_TYPE",
    "alert_priority": "$ALERT_PRIORITY",
    "alert_title": "$ALERT_TITLE",
    "event_title": "$EVENT_TITLE",
    "text": "$TEXT_ONLY_MSG",
    "alert_status": "$ALERT_STATUS",
    "alert_scope": "$ALERT_SCOPE",
    "tags": "$TAGS",
    "date": "$DATE",
    "link": "$LINK",
}
"""What to paste as the webhook's payload in Datadog."""

FIRING = frozenset({"triggered", "re-triggered", "warn", "re-warn", "renotify", "no data", "re-no data"})
RESOLVED = frozenset({"recovered", "warn recovered", "alert recovered"})
BLIND = frozenset({"no data", "re-no data"})
TYPES: Mapping[str, Severity] = {"error": "high", "warning": "medium", "info": "info", "success": "info"}
MAX_TAG_CHARS = 200
OWN_LABELS = frozenset({"alertname", "severity", "monitor"})

_UNFILLED = re.compile(r"\$[A-Z][A-Z0-9_]*(\[[^\]]*\])?")
_PREFIX = re.compile(r"^(\[[^\[\]]{0,200}\]\s*)+")
_MILLISECONDS_FROM = 1e11


def _filled(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value).replace("\0", "").strip()
    return "" if text.casefold() in ("null", "none") or _UNFILLED.fullmatch(text) else text


Text = Annotated[str, BeforeValidator(_filled)]


class DatadogWire(BaseModel):
    """The payload; a key that its owner has taken out counts as empty, one that was added is ignored."""

    model_config = ConfigDict(extra="ignore")

    id: Text = ""
    alert_id: Text = ""
    aggreg_key: Text = ""
    alert_cycle_key: Text = ""
    alert_transition: Text = ""
    alert_type: Text = ""
    alert_priority: Text = ""
    alert_title: Text = ""
    event_title: Text = ""
    text: Text = ""
    alert_status: Text = ""
    alert_scope: Text = ""
    tags: Text = ""
    date: Text = ""
    link: Text = ""


def parse_datadog(body: object, source: str, now: float) -> Parsed:
    """The one alert of *body*; *now*, in seconds since the epoch, is its time where it has none.

    Raises: MalformedError if it says nothing that could be one.
    """
    if not isinstance(body, Mapping):
        raise MalformedError("the body must be the JSON object that docs/inbound.md says to paste as Datadog's payload")
    try:
        wire = DatadogWire.model_validate(body)
    except ValidationError as error:
        raise MalformedError(describe(error)) from error
    if not wire.alert_id and not wire.aggreg_key:
        raise MalformedError("'alert_id' ($ALERT_ID) and 'aggreg_key' ($AGGREG_KEY) are empty; one of them is needed")
    return Parsed((InboundEvent(_alert(wire, source, now), _event_id(wire)),))


def _alert(wire: DatadogWire, source: str, now: float) -> Alert:
    transition = wire.alert_transition.casefold()
    state = _state(transition, wire.alert_type.casefold())
    tags = dict(_tags(wire.alert_scope, wire.tags))
    severity = _severity(wire, tags.get("severity", ""))
    title = _title(wire)
    labels = {"alertname": title, "severity": severity, "monitor": (wire.alert_id or wire.aggreg_key)[:MAX_TAG_CHARS]}
    for name, value in tags.items():
        if name not in OWN_LABELS and len(labels) < MAX_LABELS:
            labels[name] = value
    annotations = {"summary": title, "description": wire.text or wire.alert_status, "link": wire.link}
    if transition in BLIND:
        annotations[BLIND_ANNOTATION] = "true"
    at = _seconds(wire.date, now)
    return Alert(
        labels=labels,
        annotations=cut_annotations({name: text for name, text in annotations.items() if text}),
        state=state,
        starts_at=at,
        ends_at=at if state is AlertState.RESOLVED else None,
        source=source,
        # Severity and tags of one monitor change from event to event; what it watches does not.
        fingerprint=fingerprint(
            {
                "datadog": source,
                "alert_id": wire.alert_id,
                "aggreg_key": wire.aggreg_key,
                "scope": ",".join(sorted(part.strip() for part in wire.alert_scope.split(","))),
            }
        ),
    )


def _state(transition: str, alert_type: str) -> AlertState:
    if transition in FIRING:
        return AlertState.FIRING
    if transition in RESOLVED:
        return AlertState.RESOLVED
    if not transition and alert_type in ("error", "warning"):
        return AlertState.FIRING
    if not transition and alert_type == "success":
        return AlertState.RESOLVED
    raise MalformedError(
        f"'alert_transition' ($ALERT_TRANSITION) is {transition[:40]!r}, which neither begins an alert nor ends one"
    )


def _severity(wire: DatadogWire, tag: str) -> Severity:
    """The tag `severity`, else the monitor's priority, else what kind of event it is."""
    by_type = TYPES.get(wire.alert_type.casefold(), "medium")
    return to_severity(tag) or to_severity(wire.alert_priority) or by_type


def _title(wire: DatadogWire) -> str:
    given = wire.alert_title or wire.event_title
    return (_PREFIX.sub("", given, count=1) or given or f"Datadog monitor {wire.alert_id}")[:MAX_TAG_CHARS]


def _tags(*lists: str) -> Iterator[tuple[str, str]]:
    """Tags `name:value` as labels. Of a name that occurs twice the first counts; tags without a value are left out."""
    seen: set[str] = set()
    for part in ",".join(lists).split(","):
        name, _, value = part.strip().partition(":")
        label = re.sub(r"[^a-zA-Z0-9_]", "_", name.strip())[:MAX_TAG_CHARS]
        if label and value and label not in seen:
            seen.add(label)
            yield (f"_{label}" if label[0].isdigit() else label), value.strip()[:MAX_TAG_CHARS]


def _event_id(wire: DatadogWire) -> str | None:
    if wire.id:
        return wire.id
    if wire.alert_cycle_key and wire.date:
        return f"{wire.alert_cycle_key}:{wire.alert_transition}:{wire.date}"
    return None


def _seconds(date: str, now: float) -> float:
    """$DATE is in milliseconds; *now* if it says no time."""
    value = number(date)
    if value is None:
        return now
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    return seconds if 0 < seconds < LATEST_S else now
