"""Our own form, for whatever can post JSON: `{"events": [{"id", "status", "name", …}]}`, as in docs/inbound.md."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.inbound import InboundEvent
from opsbot.alert.severity import to_severity
from opsbot.labels import fingerprint
from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.parsed import Parsed, check_labels, check_moment, cut_annotations, parse_each

Moment = Annotated[datetime, AfterValidator(check_moment)]


def _known(word: str) -> str:
    severity = to_severity(word)
    if severity is None:
        raise ValueError("is none of critical, high, medium, low, info")
    return severity


class EventWire(BaseModel):
    """One event; an unknown key is a typing mistake and refuses it."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    status: Literal["firing", "resolved"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    severity: Annotated[str, AfterValidator(_known)] = "medium"
    labels: Annotated[dict[str, str], AfterValidator(check_labels)] = Field(default_factory=dict)
    summary: str = ""
    description: str = ""
    link: str = ""
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    value: float | None = None


def parse_generic(body: object, source: str, now: float) -> Parsed:
    """The events of *body*; *now*, in seconds since the epoch, is the time of those that have none.

    Raises: MalformedError if the body has no list of events.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("events"), list):
        raise MalformedError('the body must be {"events": [{"id": …, "status": "firing", "name": …}]}')
    return parse_each(body["events"], "events", lambda item: _event(EventWire.model_validate(item), source, now))


def _event(wire: EventWire, source: str, now: float) -> InboundEvent:
    identity = {**wire.labels, "alertname": wire.name}
    is_resolved = wire.status == "resolved"
    ends_at = wire.ends_at.timestamp() if wire.ends_at is not None else now
    texts = {"summary": wire.summary, "description": wire.description, "link": wire.link}
    alert = Alert(
        labels={**identity, "severity": wire.severity},
        annotations=cut_annotations({name: text for name, text in texts.items() if text}),
        state=AlertState.RESOLVED if is_resolved else AlertState.FIRING,
        starts_at=wire.starts_at.timestamp() if wire.starts_at is not None else now,
        ends_at=ends_at if is_resolved else None,
        value=wire.value,
        source=source,
        # An end need not say again how bad it was.
        fingerprint=fingerprint({name: text for name, text in identity.items() if name != "severity"}),
    )
    # Whoever ends an alert under the id that began it means its end, not a repeat of its beginning.
    return InboundEvent(alert, f"{wire.status}:{wire.id}")
