"""A core without runbooks, for tests about something else."""

from __future__ import annotations

from opsbot.people import Person


class NoRuns:
    """What the desk needs of an executor: nothing waits for a decision, and nothing is held."""

    def wake(self) -> None:
        """Nothing is queued."""

    async def wake_run(self, run_id: str) -> None:
        raise AssertionError("nothing waits")

    async def request_undo(self, run_id: str, person: Person) -> None:
        raise AssertionError("nothing is held")

    async def cancel(self, run_id: str, person: Person, reason: str) -> None:
        raise AssertionError("nothing runs")
