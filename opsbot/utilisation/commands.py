"""What doors need of whoever keeps load tests: Slack's buttons, `/ops loadtest`, the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opsbot.people import Person
from opsbot.utilisation.load_test import LoadTest


class LoadTestCommands(Protocol):
    """Load tests as people deal with them. Each that acts answers one sentence, and is harmless when repeated.

    Raises: NotFoundError; ApprovalError if the person lacks the role; InvalidTransition if it is not possible now;
        ConfigError for what was typed wrongly.
    """

    async def would_announce(self, text: str) -> str:
        """What `announce` would say, without a full stop; changes nothing."""
        ...

    async def announce(self, text: str, person: Person, request_id: str) -> str:
        """Announce a load test that runs elsewhere, as it is typed: `eu-1 40rps 30m 500 tokens expect …`."""
        ...

    async def stop(self, number: int, person: Person) -> str:
        """End a load test now; one that runs elsewhere is told to."""
        ...

    async def close(self, number: int, person: Person, words: str = "") -> str:
        """Say that a load test is over, with what came of it."""
        ...

    async def find(self, text: str) -> LoadTest:
        """The open load test of a cluster, or of a number, that *text* names; the only one there is, if it is empty."""
        ...

    async def load_tests(self) -> Sequence[LoadTest]:
        """The newest ones."""
        ...
