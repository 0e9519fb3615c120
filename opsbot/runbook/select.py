"""Which runbooks an alert starts: every one with a trigger whose labels the alert carries.

Pure; the caller turns each answer into a queued run, in the same transaction as the incident.
"""

from __future__ import annotations

from collections.abc import Iterable

from opsbot.alert.alert import Alert
from opsbot.runbook.model import Runbook


def select(alert: Alert, runbooks: Iterable[Runbook]) -> tuple[Runbook, ...]:
    """The runbooks that *alert* starts, by id."""
    found = [
        runbook
        for runbook in runbooks
        if runbook.is_enabled and any(trigger.is_for(alert.labels) for trigger in runbook.triggers)
    ]
    return tuple(sorted(found, key=lambda runbook: runbook.runbook_id))
