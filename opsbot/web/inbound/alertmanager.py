"""Alertmanager's webhook body, version 4, to alerts. It repeats what fires on purpose, so its events have no ids.

Source: Prometheus documentation, "Alerting, Configuration", section `<webhook_config>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.inbound import InboundEvent
from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.parsed import Parsed, check_labels, check_moment, cut_annotations, parse_each

VALUE_ANNOTATION = "opsbot_value"


class AlertWire(BaseModel):
    """One alert of the body; keys we do not know are ignored, since Alertmanager adds some over time."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, str], Field(min_length=1), AfterValidator(check_labels)]
    annotations: Annotated[dict[str, str], AfterValidator(cut_annotations)] = Field(default_factory=dict)
    startsAt: Annotated[datetime, AfterValidator(check_moment)]
    endsAt: datetime | None = None

    @field_validator("labels")
    @classmethod
    def _has_a_name(cls, labels: dict[str, str]) -> dict[str, str]:
        if not labels.get("alertname"):
            raise ValueError("the label 'alertname' is missing")
        return labels

    @property
    def ends_at(self) -> float | None:
        """When it ended, if it has; a time that cannot be one is as good as none."""
        if self.status == "firing" or self.endsAt is None or self.endsAt.tzinfo is None:
            return None
        ends_at = self.endsAt.timestamp()
        return ends_at if ends_at >= 0 else None


def parse_alertmanager(body: object, source: str, now: float) -> Parsed:
    """The alerts of *body*.

    Raises: MalformedError if the body is not a version 4 webhook at all.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("alerts"), list):
        raise MalformedError("the body must be Alertmanager's webhook: an object with a list 'alerts'")
    if str(body.get("version", "4")) != "4":
        version = str(body.get("version"))[:20]
        raise MalformedError(f"version {version!r} of Alertmanager's webhook is not known; 4 is")

    def to_event(item: object) -> InboundEvent:
        wire = AlertWire.model_validate(item)
        given = wire.annotations.get(VALUE_ANNOTATION)
        return InboundEvent(to_alert(wire, source, number(given)))

    return parse_each(body["alerts"], "alerts", to_event)


def to_alert(wire: AlertWire, source: str, value: float | None) -> Alert:
    """An alert of the wire as ours."""
    return Alert(
        labels=wire.labels,
        annotations=wire.annotations,
        state=AlertState.RESOLVED if wire.status == "resolved" else AlertState.FIRING,
        starts_at=wire.startsAt.timestamp(),
        ends_at=wire.ends_at,
        value=value,
        source=source,
    )


def number(value: Any) -> float | None:
    """*value* as a number, where it is one or says one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
