"""What the doors need of whoever carries out what people do by hand to a cluster: Slack, the command line, the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.model import Runbook
from opsbot.spoken.act import Act


@dataclass(frozen=True, slots=True)
class ActAnswer:
    """What came of it.

    Args:
        message: for the person; what was started, what it waits for, and how it is taken back.
        run: that was started; None if nothing was, or something was taken back.
    """

    message: str
    run: RunView | None = None


@dataclass(frozen=True, slots=True)
class Intention:
    """What would be done.

    Args:
        sentence: in words, with the value now and the value after.
        request: the run that would be started; None if nothing would be, or something would be taken back.
    """

    act: Act
    sentence: str
    request: RunRequest | None = None


class ActCommands(Protocol):
    """`batch`, `shed`, `failwhale`, `fallback` and `loadtest`, as they are typed.

    Raises: ConfigError for what was typed wrongly; else what `RunCommands` raises, and ActionError where a server does
        not answer.
    """

    async def carry_out(self, verb: str, text: str, person: Person, request_id: str) -> ActAnswer:
        """Do what *text* behind *verb* asks for; the same request id again starts nothing more."""
        ...

    async def intend(self, verb: str, text: str, request_id: str) -> Intention:
        """What that would do; changes nothing."""
        ...

    def clusters(self) -> Sequence[str]:
        """Every cluster that opsbot.yaml names."""
        ...

    def runbooks(self) -> Sequence[Runbook]:
        """Those in force."""
        ...
