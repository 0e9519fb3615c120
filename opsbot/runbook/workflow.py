"""The one durable workflow: it interprets a run's pinned runbook, stage by stage, until nothing is held any more.

Only recorded answers decide what comes next, so a replay after a crash takes the same way. Messages merely wake it;
what they are about stands in the store. Changing the order of its stages needs a new INTERPRETER_VERSION.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from opsbot.clock import Clock
from opsbot.log_context import log_about
from opsbot.runbook.advance import Advance
from opsbot.runbook.ending import Ending, Endings, Standing
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.result import Next, StepResult
from opsbot.runbook.run import RUN_TRANSITIONS, RunState

logger = logging.getLogger(__name__)

T = TypeVar("T")

LEAST_WAIT_S = 0.05
STAGE_TRIES = 6
FIRST_PAUSE_S = 0.5
"""A stage is tried that often in all; each pause is twice the last."""


class StageFailed(Exception):
    """A stage failed for a reason that nobody expected, and every retry did too."""


class Durable(Protocol):
    """What the workflow needs of the engine that makes it durable."""

    async def stage(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The recorded answer of *call*, which is run (again) until one is recorded.

        Raises: StageFailed.
        """
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return at the next message, or after *timeout_s* counted across crashes."""
        ...


class RunEngine(Protocol):
    """What makes runs durable: `DurableRuns`, or the one that tests of runbooks use."""

    async def start(self, run: Callable[[str, Durable], Coroutine[Any, Any, str]]) -> None:
        """Go on with the workflows that were left behind."""
        ...

    async def stop(self) -> None:
        """Let go of the workflows where they are."""
        ...

    async def begin(self, run_id: str, workflow_id: str) -> None:
        """Start the run's workflow; the same id again is the same workflow."""
        ...

    async def wake(self, workflow_id: str) -> None:
        """Make the run look at the store now."""
        ...


class Interpreter:
    """Interprets runs."""

    def __init__(self, advance: Advance, endings: Endings, clock: Clock) -> None:
        self._advance = advance
        self._endings = endings
        self._clock = clock

    async def interpret(self, run_id: str, durable: Durable) -> str:
        """Perform the run; answers its final state."""
        with log_about(run_id=run_id):
            return await self._interpret(run_id, durable)

    async def _interpret(self, run_id: str, durable: Durable) -> str:
        try:
            standing = await self._perform(run_id, durable)
        except StageFailed as error:
            logger.exception("run %s cannot go on", run_id)
            why = f"opsbot itself failed: {error}"
            standing = await self._insist(durable, "give_up", lambda: self._endings.give_up(run_id, why))
        while RUN_TRANSITIONS[RunState(standing["state"])]:
            if standing["state"] == RunState.FINISHING:
                standing = await self._finish(run_id, durable)
            else:
                await self._wait(durable, standing["until"])
                standing = await self._insist(durable, "look_after", lambda: self._endings.look_after(run_id))
        return standing["state"]

    async def _perform(self, run_id: str, durable: Durable) -> Standing:
        beginning = await durable.stage("begin", lambda: self._endings.begin(run_id))
        runbook = pinned_runbook(beginning["runbook_json"], beginning["revision"])
        if beginning["is_past_steps"]:
            return await durable.stage("settle", lambda: self._endings.look_after(run_id))
        ending, detail, step_id = Ending.DONE, "", ""
        for step in runbook.steps:
            step_id = step.step_id
            answer = await self._step(run_id, step_id, durable)
            ending, detail = _ENDINGS[Next(answer["next"])], answer["detail"]
            if ending is not Ending.DONE:
                break
        while True:
            standing = await durable.stage("settle", lambda: self._endings.settle(run_id, ending, detail, step_id))
            if not standing.get("is_unsettled"):
                return standing
            await self._wait(durable, standing["until"])

    async def _step(self, run_id: str, step_id: str, durable: Durable) -> StepResult:
        while True:
            answer = await durable.stage(f"step {step_id}", lambda: self._advance.step(run_id, step_id))
            if answer["next"] != Next.WAIT:
                return answer
            await self._wait(durable, answer["until"])

    async def _finish(self, run_id: str, durable: Durable) -> Standing:
        """The steps under `finally`: each is made, whatever became of the one before."""
        beginning = await self._insist(durable, "finally", lambda: self._endings.begin(run_id))
        for step in pinned_runbook(beginning["runbook_json"], beginning["revision"]).finals:
            try:
                await self._step(run_id, step.step_id, durable)
            except StageFailed:
                logger.exception("step %s of run %s, under finally, cannot be made", step.step_id, run_id)
        return await self._insist(durable, "finish", lambda: self._endings.finish(run_id))

    async def _wait(self, durable: Durable, until: float) -> None:
        await durable.wait(max(LEAST_WAIT_S, until - self._clock.now()))

    async def _insist(self, durable: Durable, name: str, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await durable.stage(name, call)
            except StageFailed:
                logger.exception("%s failed; it is tried again", name)
                await durable.wait(30.0)


_ENDINGS = {
    Next.GO_ON: Ending.DONE,
    Next.REFUSED: Ending.REFUSED,
    Next.STOPPED: Ending.STOPPED,
    Next.LATE: Ending.LATE,
    Next.UNDO_STEP: Ending.UNDO_STEP,
    Next.INTERRUPTED: Ending.INTERRUPTED,
    Next.FAILED: Ending.FAILED,
}
