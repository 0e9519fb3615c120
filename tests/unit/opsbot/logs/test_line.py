"""A record becomes one line: JSON with everything in fields, or text; no secret in either."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from typing import Any

import pytest

from opsbot.log_context import current, log_about
from opsbot.logs.line import FIELDS, MAX_FIELD_CHARS, JsonLine, TextLine
from opsbot.logs.redact import Redactor

SECRET = 'quo"ted-secret'


def record(message: str, *args: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    """A record as `logging` makes it."""
    told = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.LogRecord("opsbot.core", logging.ERROR, __file__, 1, message, args, told)
    made.created = 1_790_000_000.25
    made.__dict__.update(extra)
    return made


def parsed(made: logging.LogRecord) -> dict[str, Any]:
    """The JSON line of a record; there is exactly one."""
    line = JsonLine(Redactor([SECRET]), "core").format(made)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def raised(error: Exception) -> Exception:
    """The error with a traceback."""
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_json_line_has_its_fields_in_order() -> None:
    """Time in RFC 3339 and UTC, level, role, logger, message, and nothing of what a library added."""
    found = parsed(record("%d runs wait", 3, executorID="x", weird=object()))
    assert found == {
        "ts": "2026-09-21T14:13:20.250000Z",
        "level": "ERROR",
        "role": "core",
        "logger": "opsbot.core",
        "message": "3 runs wait",
    }
    assert datetime.fromisoformat(found["ts"]).utcoffset() is not None
    assert list(found) == [name for name in FIELDS if name in found]


def test_an_exception_is_one_field() -> None:
    """The whole traceback, line ends and all, without a line of its own."""
    found = parsed(record("it failed", error=raised(ValueError("two\nlines"))))
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith("ValueError: two\nlines")


def test_secrets_stand_in_no_field() -> None:
    """Not in the message, not in the traceback, not with quotes that JSON would escape, not in text either."""
    made = record("said %s", SECRET, error=raised(ValueError(f"with {SECRET} and Bearer abcdefgh12345678")))
    line = json.dumps(parsed(made)) + TextLine(Redactor([SECRET])).format(made)
    assert "ted-secret" not in line
    assert "abcdefgh12345678" not in line


async def test_lines_carry_what_they_are_about() -> None:
    """Ids from around a block, inside of tasks and threads too; they end with it, and an extra one wins."""
    with log_about(incident_id="INC-7"), log_about(run_id="run:kv"):
        in_thread = await asyncio.to_thread(current)
        in_task = await asyncio.create_task(asyncio.to_thread(current))
        found = parsed(record("hello"))
        own = parsed(record("hello", incident_id="INC-8"))
    assert in_thread == in_task == {"incident_id": "INC-7", "run_id": "run:kv"}
    assert (found["incident_id"], found["run_id"], own["incident_id"]) == ("INC-7", "run:kv", "INC-8")
    assert "incident_id" not in parsed(record("hello"))


def test_a_field_is_bounded() -> None:
    """What is longer is cut."""
    assert len(parsed(record("x" * (2 * MAX_FIELD_CHARS)))["message"]) == MAX_FIELD_CHARS + 2


def test_text_stays_readable() -> None:
    """Time, level, logger, message."""
    line = TextLine(Redactor()).format(record("core is ready"))
    assert line.endswith("ERROR   opsbot.core: core is ready")


def test_the_time_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's zone changes nothing."""
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert parsed(record("x"))["ts"] == "2026-09-21T14:13:20.250000Z"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
