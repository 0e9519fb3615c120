"""A log record as one line: readable text, or a JSON object for whoever collects logs."""

from __future__ import annotations

import logging
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from opsbot.clock import to_rfc3339
from opsbot.log_context import current
from opsbot.logs.redact import Redactor

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
FIELDS = ("ts", "level", "role", "logger", "message", "incident_id", "run_id", "exception", "stack")
"""All that a JSON line may have, in this order: what libraries add to their records is not ours to publish."""
MAX_FIELD_CHARS = 16_384
"""Of one field; collectors cut or drop longer lines, a traceback of a deep recursion for example."""


class TextLine(logging.Formatter):
    """Readable text; a traceback follows on lines of its own."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(TEXT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class JsonLine(JsonFormatter):
    """One JSON object, an exception and its traceback in one field of it."""

    def __init__(self, redact: Redactor, role: str) -> None:
        super().__init__(
            ("levelname", "name", "message"),
            rename_fields={
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
                "stack_info": "stack",
            },
            static_fields={"role": role},
            json_ensure_ascii=False,
        )
        self._redact = redact

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data["ts"] = to_rfc3339(record.created)
        for name, value in current().items():
            log_data.setdefault(name, value)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        known = {name: log_data[name] for name in FIELDS if log_data.get(name)}
        return {name: self._shown(value) if name != "ts" else value for name, value in known.items()}

    def _shown(self, value: object) -> str:
        text = self._redact(str(value))
        return text if len(text) <= MAX_FIELD_CHARS else text[:MAX_FIELD_CHARS] + " …"
