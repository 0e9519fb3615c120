"""Makes every log line of a process come out alike: our own, those of libraries, warnings, and what nobody caught."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Literal

from opsbot.logs.line import JsonLine, TextLine
from opsbot.logs.redact import Redactor

Format = Literal["text", "json"]

QUIET = ("httpx", "httpcore", "uvicorn.access", "alembic", "apscheduler", "slack_bolt", "slack_sdk", "dbos")
"""Libraries that would log whole requests, or every round."""

logger = logging.getLogger(__name__)


def configure_logging(
    role: str = "", *, form: Format = "text", level: str = "info", secrets: Iterable[str] = ()
) -> None:
    """Log to standard error; may be called again once the settings are known.

    Args:
        role: what this process is, for the lines' field of that name.
        level: the least severe that is written: debug, info, warning or error.
        secrets: values that no line may show.
    """
    redact = Redactor(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine(redact, role) if form == "json" else TextLine(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for noisy in QUIET:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # DBOS writes to a handler of its own unless its logger has one already.
    if not logging.getLogger("dbos").handlers:
        logging.getLogger("dbos").addHandler(logging.NullHandler())
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("the process ends: nobody expected this", exc_info=(kind, error, trace))


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and given.exc_type is not SystemExit:
        name = given.thread.name if given.thread is not None else "?"
        told = (given.exc_type, given.exc_value, given.exc_traceback)
        logger.critical("the thread %s ends: nobody expected this", name, exc_info=told)
