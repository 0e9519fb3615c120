"""Commands: things that are done once, such as an engine restart, rather than set for a while.

They have an owner, a reason and an idempotency key as leases do and are journalled before they run, so that a repeated
key runs nothing twice, not even after the server was started again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class CommandKind(StrEnum):
    """What can be asked for."""

    RESTART = "restart"
    READMIT = "readmit"


class CommandState(StrEnum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """What somebody asks for.

    Args:
        when: a restart waits for what runs, or does not; `now` for everything else.
        drain_timeout_s: the longest that such a restart waits.
    """

    kind: CommandKind
    owner: str
    reason: str
    idempotency_key: str
    when: Literal["drained", "now"] = "now"
    drain_timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was taken.

    Args:
        detail: for people: what was done, or why it was not.
    """

    command_id: str
    request: CommandRequest
    created_at: float
    ended_at: float | None = None
    state: CommandState = CommandState.RUNNING
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command was taken; in a compacted journal, in its last state."""

    command: Command
    event: Literal["commanded"] = "commanded"


@dataclass(frozen=True, slots=True)
class Completed:
    """A command came to its end."""

    command_id: str
    at: float
    state: CommandState
    detail: str
    event: Literal["completed"] = "completed"
