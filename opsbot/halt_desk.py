"""People's hands on all runs, and on knobs: the global stop, and holds. Rights are checked here."""

from __future__ import annotations

import asyncio

from opsbot.clock import to_minute
from opsbot.desk_tools import DeskTools, reason_of
from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.run import RunState
from opsbot.runbook.store import Halt, KnobHold
from opsbot.store.approvals import mention
from opsbot.yamlfile import format_duration

MAX_HOLD_S = 24 * 3600.0
"""Longest hold of a knob: one that is forgotten ends by itself."""


class HaltDesk:
    """Part of `opsbot.run_desk.RunDesk`."""

    def __init__(self, tools: DeskTools) -> None:
        self._tools = tools

    async def stop_all(self, person: Person, reason: str) -> str:
        """Let no run change anything by itself."""
        require(person, "commander", "stop all runs")
        reason = reason_of(reason, "why all runs are stopped")
        now = self._tools.clock.now()
        halt = await asyncio.to_thread(self._tools.stores.knobs.stop_all, reason, person, now)
        self._tools.tell()
        if (halt.created_by, halt.created_at) != (person.user_id, now):
            return f"{mention(halt.created_by)} has stopped all runs already: {halt.reason}. `go-on` lifts it."
        return "No run changes anything by itself from now on, and nothing is given back; `go-on` lifts it."

    async def go_on(self, person: Person) -> str:
        """Lift the global stop."""
        require(person, "commander", "let all runs go on")
        lifted = await asyncio.to_thread(self._tools.stores.knobs.go_on, person, self._tools.clock.now())
        self._tools.tell()
        for run in await asyncio.to_thread(self._tools.stores.runs.unfinished):
            if run.state is not RunState.QUEUED:
                await self._tools.executor.wake_run(run.run_id)
        if lifted is None:
            return "Runs are not stopped."
        return "Runs go on; `stop-all` stops them again."

    async def hold(self, pattern: str, length_s: float, person: Person, reason: str) -> str:
        """Let no run turn the knobs of *pattern* for a time."""
        require(person, "responder", "hold a knob")
        reason = reason_of(reason, f"why {pattern} is held")
        if not 0 < length_s <= MAX_HOLD_S:
            raise ConfigError(f"a hold lasts at most {format_duration(MAX_HOLD_S)}; it can be set again before it ends")
        cluster = pattern.partition("/")[0]
        if "*" not in cluster:
            self._tools.check_cluster(cluster, "lock")
        now = self._tools.clock.now()
        held = await asyncio.to_thread(self._tools.stores.knobs.hold, pattern, reason, person, now, now + length_s)
        self._tools.tell()
        until = to_minute(held.ends_at, now)
        return f"No run turns {pattern} until {until}; what is set there stays. `unhold {held.number}` lifts it."

    async def let_go(self, number: int, person: Person) -> str:
        """Lift a hold."""
        require(person, "responder", "lift a hold")
        held = await asyncio.to_thread(self._tools.stores.knobs.let_go, number, person, self._tools.clock.now())
        self._tools.tell()
        return f"Runs may turn {held.pattern} again; `hold {held.pattern}` holds it once more."

    async def halt(self) -> Halt | None:
        """The global stop in force, if any."""
        return await asyncio.to_thread(self._tools.stores.knobs.halt)

    async def holds(self) -> tuple[KnobHold, ...]:
        """Holds in force, oldest first."""
        return await asyncio.to_thread(self._tools.stores.knobs.holds, self._tools.clock.now())
