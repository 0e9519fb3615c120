"""What the desks about runs share: the store, who is woken once something is stored, and how a reason is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from opsbot.clock import Clock
from opsbot.errors import ConfigError, NotFoundError
from opsbot.people import Person
from opsbot.store.repositories import Repositories
from opsbot.yamlfile import suggest

MAX_REASON = 500


class Runs(Protocol):
    """What the desk needs of the executor."""

    def wake(self) -> None:
        """Look for queued runs now."""
        ...

    async def wake_run(self, run_id: str) -> None:
        """Let a run look at the store now; harmless when repeated."""
        ...

    async def request_undo(self, run_id: str, person: Person) -> None:
        """Ask a run to take back what it holds; raises InvalidTransition, NotFoundError."""
        ...

    async def cancel(self, run_id: str, person: Person, reason: str) -> None:
        """Ask a run to make no further step and take back what it holds; raises InvalidTransition, NotFoundError."""
        ...


@dataclass(frozen=True, slots=True)
class DeskTools:
    """One for all desks.

    Args:
        clusters: every cluster that opsbot.yaml names; empty if that is not known.
    """

    stores: Repositories
    executor: Runs
    wake_outbox: Callable[[], None]
    clock: Clock
    clusters: tuple[str, ...] = ()

    def tell(self) -> None:
        """Something is stored: whoever looks at the store looks now."""
        self.executor.wake()
        self.wake_outbox()

    async def wake_run(self, run_id: str) -> None:
        """Something is stored that one run waits for."""
        await self.executor.wake_run(run_id)
        self.wake_outbox()

    def check_cluster(self, cluster: str, *others: str) -> None:
        """Raises: NotFoundError if there is no such cluster, nor one of *others*."""
        if self.clusters and cluster not in (*self.clusters, *others):
            known, near = ", ".join(self.clusters), suggest(cluster, self.clusters)
            raise NotFoundError(f"there is no cluster {cluster!r}{near}; opsbot.yaml has {known}")


def reason_of(text: str, what: str) -> str:
    """The reason as it is kept; raises ConfigError if there is none."""
    reason = text.strip()
    if not reason:
        raise ConfigError(f"say {what}: the next reader was not there")
    return reason[:MAX_REASON]
