"""The alert that a dry run is given: Alertmanager's webhook, or a file with labels, annotations and a value."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import ConfigError
from opsbot.runbook.model import Runbook
from opsbot.web.inbound.alertmanager import parse_alertmanager
from opsbot.yamlfile import MAX_FILE_BYTES, Document, load, validate


class AlertFile(BaseModel):
    """An alert as somebody types it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    labels: dict[str, str] = Field(min_length=1)
    annotations: dict[str, str] = Field(default_factory=dict)
    value: int | float | None = None


def load_alert(path: Path, now: float) -> tuple[Alert, int]:
    """The first alert of the file that fires, else the first; and how many it has.

    Raises: ConfigError saying what a file may hold.
    """
    data, document = _read(path)
    if isinstance(data, dict) and "alerts" in data:
        parsed = parse_alertmanager(data, "plan", now)
        alerts = [event.alert for event in parsed.events]
        if not alerts:
            raise ConfigError(f"{path}: no alert can be read from it", parsed.rejected)
        return next((one for one in alerts if one.state is AlertState.FIRING), alerts[0]), len(alerts)
    file, problems = validate(document, AlertFile)
    if file is None:
        raise ConfigError(
            f"{path}: neither an Alertmanager webhook (with `alerts`) nor one alert with `labels`",
            tuple(str(problem) for problem in problems),
        )
    value = None if file.value is None else float(file.value)
    return Alert(file.labels, file.annotations, AlertState.FIRING, now, value=value, source="plan"), 1


def assumed_alert(runbook: Runbook, now: float) -> Alert | None:
    """An alert with the labels that the first trigger asks for; None where it asks for none by name."""
    labels = next((trigger.match for trigger in runbook.triggers if trigger.match), None)
    return None if labels is None else Alert(dict(labels), {}, AlertState.FIRING, now, source="plan")


def _read(path: Path) -> tuple[object, Document]:
    if path.suffix == ".json":
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ConfigError(f"{path}: the file is larger than {MAX_FILE_BYTES} bytes")
            text = path.read_text(encoding="utf-8")
            data = json.loads(text)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path}: not valid JSON: {error}") from error
        return data, Document(str(path), text, "", data, {}, {})
    document, problems = load(path)
    if document is None or problems:
        raise ConfigError(f"{path}: cannot be read as an alert", tuple(str(problem) for problem in problems))
    return document.data, document
