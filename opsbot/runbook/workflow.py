"""The one durable workflow: it interprets a run's pinned runbook, stage by stage, until nothing is held any more.

Only recorded answers decide what comes next, so a replay after a crash takes the same way. Messages merely wake it;
what they are about stands in the store. Changing the order of its stages needs a new INTERPRETER_VERSION.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from opsbot.clock import Clock
from opsbot.log_context import log_about
from opsbot.runbook.ending import Ending, Endings, Standing
from opsbot.runbook.loader import pinned_runbook
from opsbot.runbook.model import Step
from opsbot.runbook.run import RUN_TRANSITIONS, RunState, StepState
from opsbot.runbook.scope import StepResult
from opsbot.runbook.stages import Next, StageResult, Stages

logger = logging.getLogger(__name__)

T = TypeVar("T")

LEAST_WAIT_S = 0.05


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


class Interpreter:
    """Interprets runs."""

    def __init__(self, stages: Stages, endings: Endings, clock: Clock) -> None:
        self._stages = stages
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
            await self._wait(durable, standing["until"])
            standing = await self._insist(durable, "look_after", lambda: self._endings.look_after(run_id))
        return standing["state"]

    async def _perform(self, run_id: str, durable: Durable) -> Standing:
        beginning = await durable.stage("begin", lambda: self._endings.begin(run_id))
        runbook = pinned_runbook(beginning["runbook_json"], beginning["revision"])
        results: dict[str, StepResult] = {}
        ending, detail, step_id = Ending.DONE, "", ""
        for step in runbook.steps:
            step_id = step.step_id
            ending, detail = await self._step(run_id, step, results, beginning["deadline"], durable)
            if ending is not Ending.DONE:
                break
        return await durable.stage("settle", lambda: self._endings.settle(run_id, ending, detail, step_id))

    async def _step(
        self, run_id: str, step: Step, results: dict[str, StepResult], deadline: float, durable: Durable
    ) -> tuple[Ending, str]:
        step_id = step.step_id
        answer = await durable.stage(
            f"prepare {step_id}", lambda: self._stages.prepare(run_id, step_id, results, deadline)
        )
        if answer["next"] == Next.ASK:
            answer = await self._decision(run_id, step_id, durable)
        if answer["next"] == Next.ACT:
            answer = await durable.stage(f"act {step_id}", lambda: self._stages.act(run_id, step_id))
            has_acted = answer["next"] in (Next.GO_ON, Next.VERIFY) and not answer["detail"]
            results[step_id] = StepResult(StepState.SUCCEEDED if has_acted else StepState.FAILED, answer["outputs"])
        else:
            results[step_id] = StepResult(StepState.SKIPPED, {})
        if answer["next"] == Next.VERIFY:
            until = answer["until"]
            answer = await durable.stage(f"verify {step_id}", lambda: self._stages.verify(run_id, step_id, until))
            if answer["detail"]:
                results[step_id] = StepResult(StepState.NOT_VERIFIED, results[step_id].outputs)
        return _ending_of(answer), answer["detail"] if answer["next"] != Next.GO_ON else ""

    async def _decision(self, run_id: str, step_id: str, durable: Durable) -> StageResult:
        while True:
            # Look before waiting: whatever is decided after the look sends a message that ends the wait.
            answer = await durable.stage(f"decision {step_id}", lambda: self._stages.decision(run_id, step_id))
            if answer["next"] != Next.ASK:
                return answer
            await self._wait(durable, answer["until"])

    async def _wait(self, durable: Durable, until: float) -> None:
        await durable.wait(max(LEAST_WAIT_S, until - self._clock.now()))

    async def _insist(self, durable: Durable, name: str, call: Callable[[], Awaitable[Standing]]) -> Standing:
        while True:
            try:
                return await durable.stage(name, call)
            except StageFailed:
                logger.exception("%s failed; it is tried again", name)
                await durable.wait(30.0)


def _ending_of(answer: StageResult) -> Ending:
    match Next(answer["next"]):
        case Next.GO_ON:
            return Ending.DONE
        case Next.REFUSED:
            return Ending.REFUSED
        case Next.STOPPED:
            return Ending.STOPPED
        case Next.UNDO_STEP:
            return Ending.UNDO_STEP
        case Next.INTERRUPTED:
            return Ending.INTERRUPTED
        case Next.FAILED | Next.ACT | Next.ASK | Next.VERIFY:
            return Ending.FAILED
