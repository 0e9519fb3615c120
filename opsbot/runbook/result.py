"""What a look at a step answers: what follows it. Plain JSON, since the durable workflow records it."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict


class Next(StrEnum):
    """What follows. `wait`: look again when woken, or at `until`; all others end the step."""

    WAIT = "wait"
    GO_ON = "go_on"
    FAILED = "failed"
    REFUSED = "refused"
    STOPPED = "stopped"
    LATE = "late"
    UNDO_STEP = "undo_step"
    INTERRUPTED = "interrupted"


class StepResult(TypedDict):
    """The answer. *detail* is for people; *until* is in seconds since the epoch."""

    next: str
    detail: str
    until: float


def result(following: Next, detail: str = "", *, until: float = 0.0) -> StepResult:
    """An answer."""
    return {"next": following.value, "detail": detail, "until": until}
