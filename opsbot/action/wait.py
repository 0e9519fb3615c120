"""`wait.until` lets a run go on once a PromQL condition has held for a while, `wait.for` after a time.

They change nothing, and the step's `timeout` bounds them. A crash begins the wait anew. The waits
themselves import asyncio: who reads runbooks needs only the names and the arguments.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.probe import Prober, Promql, Verdict
from opsbot.yamlfile import Duration, format_duration


class WaitArguments(BaseModel):
    """What `wait.until` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, defer_build=True)

    expr: Promql = Field(description="PromQL; it holds when it yields at least one series.")
    for_: Duration = Field(default=0.0, alias="for", description="How long it must hold without a break.")


class WaitUntil(Action[WaitArguments]):
    """Waits until a condition has held; the step's `timeout` bounds the wait."""

    name: ClassVar[str] = "wait.until"
    summary: ClassVar[str] = "Wait until a PromQL condition has held for a while."
    arguments = WaitArguments
    is_read_only: ClassVar[bool] = True

    def __init__(self, prober: Prober, clock: Clock, poll_s: float = 1.0) -> None:
        self._prober = prober
        self._clock = clock
        self._poll_s = poll_s

    def needs_s(self, arguments: WaitArguments) -> float:
        return arguments.for_

    async def act(self, arguments: WaitArguments, context: ActionContext) -> Outcome:
        import asyncio

        since: float | None = None
        while True:
            if await self._check(arguments.expr) != "holds":
                since = None
            elif since is None:
                since = self._clock.monotonic()
            if since is not None and self._clock.monotonic() - since >= arguments.for_:
                return Outcome(f"{arguments.expr} held for {format_duration(arguments.for_)}")
            await asyncio.sleep(self._poll_s)

    async def _check(self, expr: str) -> Verdict:
        try:
            return await self._prober.check(expr)
        except SourceError:
            # Not seeing is no reason to go on, nor to give up before the step's time is over.
            return "unknown"


class PauseArguments(BaseModel):
    """What `wait.for` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    duration: Duration = Field(gt=0, le=3600, description="How long; the step's `timeout` must be longer.")


class WaitFor(Action[PauseArguments]):
    """Waits for a while."""

    name: ClassVar[str] = "wait.for"
    summary: ClassVar[str] = "Wait for a while."
    arguments = PauseArguments
    is_read_only: ClassVar[bool] = True

    def needs_s(self, arguments: PauseArguments) -> float:
        return arguments.duration

    async def act(self, arguments: PauseArguments, context: ActionContext) -> Outcome:
        import asyncio

        await asyncio.sleep(arguments.duration)
        return Outcome(f"Waited for {format_duration(arguments.duration)}")
