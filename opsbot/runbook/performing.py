"""One call of an action, made as often as its step allows: looked up by its key before it is ever repeated.

Acts and undos alike go through here; who calls has stored the intent before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from opsbot.errors import ActionError, OpsbotError
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.model import RetryOn, Step
from opsbot.yamlfile import format_duration

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


class OutcomeUnknown(ActionError):
    """Whether an act happened cannot be told, and repeating it could do it twice: a person must say."""

    def __init__(self, message: str, *, outcome_unknown: bool = True) -> None:
        super().__init__(message, outcome_unknown=outcome_unknown)


async def perform(
    step: Step, action: Action[Any], arguments: Any, context: ActionContext, sleep: Sleep, *, may_have_happened: bool
) -> Outcome:
    """Make the call, or find that it was made.

    Args:
        step: whose timeout and retries hold.
        may_have_happened: whether a call with this key was begun before.

    Raises: OutcomeUnknown; OpsbotError.
    """
    for pause_s in step.retry.pauses():
        try:
            async with asyncio.timeout(step.timeout_s):
                if may_have_happened and not action.is_read_only:
                    found = await found_earlier(action, arguments, context.idempotency_key)
                    if found is not None:
                        return found
                    if not action.may_repeat(arguments):
                        raise OutcomeUnknown(f"{action.name}: it is unknown whether it happened")
                return await action.act(arguments, context)
        except TimeoutError:
            error: OpsbotError = no_answer(action, step)
        except OpsbotError as raised:
            error = raised
        is_unknown = isinstance(error, ActionError) and error.outcome_unknown
        may_have_happened = may_have_happened or is_unknown
        if pause_s is None or kind_of(error) not in step.retry.on:
            if not may_have_happened or action.is_read_only:
                raise error
            # What a lease did can be found by its key and taken back later; of anything else a person must say.
            kind = ActionError if action.takes_lease else OutcomeUnknown
            raise kind(str(error), outcome_unknown=True) from error
        await sleep(pause_s)
    raise AssertionError("the last pause is None")


async def found_earlier(action: Action[Any], arguments: Any, key: str) -> Outcome | None:
    """What an earlier call with that key did; None if there was none, or if a second one would change nothing more.

    Raises: ActionError if it cannot be told.
    """
    try:
        return await action.find(arguments, key)
    except ActionError as error:
        if error.outcome_unknown and action.may_repeat(arguments) and not action.takes_lease:
            return None
        raise


async def insist(step: Step, action: Action[Any], call: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
    """The answer of a call that is harmless when repeated, such as reading a value or releasing a lease.

    Raises: OpsbotError, once the step's retries are used up or another try cannot help.
    """
    for pause_s in step.retry.pauses():
        try:
            async with asyncio.timeout(step.timeout_s):
                return await call()
        except TimeoutError:
            error: OpsbotError = ActionError(no_answer_text(action, step), retryable=True)
        except OpsbotError as raised:
            error = raised
        is_unknown = isinstance(error, ActionError) and error.outcome_unknown
        if pause_s is None or not (error.retryable or is_unknown):
            raise error
        await sleep(pause_s)
    raise AssertionError("the last pause is None")


def kind_of(error: OpsbotError) -> RetryOn:
    """What a step's `retry.on` calls this failure."""
    if isinstance(error, ActionError) and error.outcome_unknown:
        return "unknown"
    return "unreachable" if error.retryable else "failed"


def no_answer_text(action: Action[Any], step: Step) -> str:
    """That a call took longer than its step allows."""
    return f"{action.name}: no answer within {format_duration(step.timeout_s)}"


def no_answer(action: Action[Any], step: Step) -> ActionError:
    """A call that took too long; unless it only reads, it may have happened."""
    return ActionError(
        no_answer_text(action, step), retryable=action.is_read_only, outcome_unknown=not action.is_read_only
    )
