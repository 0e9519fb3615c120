"""Alertmanager's webhook body, version 4, to alerts. One bad alert is reported and never drops the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from opsbot.alert.alert import Alert, AlertState

VALUE_ANNOTATION = "opsbot_value"


class AlertWire(BaseModel):
    """One alert of the body; keys we do not know are ignored, since Alertmanager adds some over time."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(min_length=1)
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: datetime
    endsAt: datetime | None = None

    @field_validator("labels")
    @classmethod
    def _has_a_name(cls, labels: dict[str, str]) -> dict[str, str]:
        if not labels.get("alertname"):
            raise ValueError("the label 'alertname' is missing")
        return labels

    @field_validator("startsAt")
    @classmethod
    def _has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a time zone is missing")
        return value


class WebhookError(ValueError):
    """The body as a whole is not Alertmanager's."""


def parse_webhook(body: object, source: str = "webhook") -> tuple[list[Alert], list[str]]:
    """The alerts of *body*, and one line for each that was rejected.

    Raises: WebhookError if the body is not a version 4 webhook at all.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("alerts"), list):
        raise WebhookError("the body must be Alertmanager's webhook: an object with a list 'alerts'")
    if str(body.get("version", "4")) != "4":
        raise WebhookError(f"version {body.get('version')!r} of Alertmanager's webhook is not known; 4 is")
    alerts: list[Alert] = []
    rejected: list[str] = []
    for index, raw in enumerate(body["alerts"]):
        try:
            alerts.append(_alert(AlertWire.model_validate(raw), source))
        except ValidationError as error:
            first: Any = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            rejected.append(f"alerts[{index}].{where}: {first['msg']}")
    return alerts, rejected


def _alert(wire: AlertWire, source: str) -> Alert:
    is_resolved = wire.status == "resolved"
    ends_at = wire.endsAt.timestamp() if is_resolved and wire.endsAt is not None else None
    value = wire.annotations.get(VALUE_ANNOTATION)
    return Alert(
        labels=wire.labels,
        annotations=wire.annotations,
        state=AlertState.RESOLVED if is_resolved else AlertState.FIRING,
        starts_at=wire.startsAt.timestamp(),
        ends_at=ends_at,
        value=_number(value) if value is not None else None,
        source=source,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
