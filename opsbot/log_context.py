"""What the code that runs now is about: the incident and the run, so that every log line within can name them.

It follows tasks and threads as context variables do. Formatters read it; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_about: ContextVar[Mapping[str, str]] = ContextVar("opsbot_log_about")
_NOTHING: Mapping[str, str] = {}


@contextmanager
def log_about(*, incident_id: str = "", run_id: str = "") -> Iterator[None]:
    """Within the block, log lines carry these ids beside those from outside of it; an empty one changes nothing."""
    given = {"incident_id": incident_id, "run_id": run_id}
    token = _about.set({**current(), **{name: value for name, value in given.items() if value}})
    try:
        yield
    finally:
        _about.reset(token)


def current() -> Mapping[str, str]:
    """The ids that are known here: `incident_id`, `run_id`."""
    return _about.get(_NOTHING)
