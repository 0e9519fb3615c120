"""Keeps a dialog that tells what came of a press up to date until its run is verified, over, or waits for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.incident.view import RunView
from opsbot.runbook.run import STEP_ENDS, RunState, StepState
from opsbot.slack.dialogs.acting import Done
from opsbot.slack.dialogs.outcome import outcome_view
from opsbot.slack.dialogs.speech import Named
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.views import Opened, update_view
from opsbot.slack.seat import Seat

LOOK_EVERY_S = 0.5
SHOWN_EVERY_S = 1.0
"""Least time between two changes of one dialog: Slack allows some hundred a minute for all of them."""
FOLLOWED_S = 120.0
_RESTS = frozenset(
    {
        RunState.HOLDING, RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED,
        RunState.NEEDS_PERSON,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Following:
    """One dialog that follows a run.

    Args:
        is_closed: whether the person has closed it.
    """

    seat: Seat
    client: AsyncWebClient
    subject: Subject
    done: Done
    named: Named
    is_closed: Callable[[], bool]

    async def run(self, opened: Opened, shown: RunView | None) -> None:
        """Follow until there is nothing more to say, or nobody looks."""
        clock = self.seat.clock
        until = clock.monotonic() + FOLLOWED_S
        while clock.monotonic() < until and not self.is_closed():
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                now = await self.seat.runs.run(self.done.run_id)
            except OpsbotError:
                continue
            is_over = rests(now, self.subject.verb)
            if now == shown and not is_over:
                continue
            changed = await self._show(opened, now, is_live=not is_over)
            if changed is None or is_over:
                return
            opened, shown = changed, now
            await asyncio.sleep(SHOWN_EVERY_S - LOOK_EVERY_S)
        if shown is not None and not self.is_closed():
            await self._show(opened, shown, is_live=False)

    async def _show(self, opened: Opened, run: RunView, *, is_live: bool) -> Opened | None:
        view = outcome_view(self.subject, self.done.sentence, self.named, run, is_live=is_live)
        return await update_view(self.client, opened, view)


def rests(run: RunView, verb: str) -> bool:
    """Whether nothing more happens by itself that the press has brought about."""
    if run.state == RunState.HOLDING and verb in ("undo", "cancel"):
        return False
    if run.state in _RESTS:
        return True
    # A run that asks somebody waits for that, and the message says so.
    is_asking = any(step.state in (StepState.WAITING_APPROVAL, StepState.ANNOUNCING) for step in run.steps)
    has_moved = all(step.state in STEP_ENDS or step.state in _ASKING for step in run.steps if step.state != "pending")
    return run.state == RunState.WAITING and is_asking and has_moved and verb not in ("approve", "glass", "go_now")


_ASKING = frozenset({StepState.WAITING_APPROVAL, StepState.ANNOUNCING})
