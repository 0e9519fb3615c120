"""What a press, a menu's entry or a dialog about a run does: one command, or the dialog that asks before it."""

from __future__ import annotations

from collections.abc import Mapping

from slack_sdk.models.views import View

from opsbot.errors import ConfigError, NotFoundError
from opsbot.incident.view import ApprovalView
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.commands import RunCommands
from opsbot.slack.asked import APPROVE, GLASS, GO_NOW, HAPPENED, NOT_HAPPENED, OBJECT, OFFER, REFUSE
from opsbot.slack.buttons import GO_ON, UNDO
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.run_menu import DIALOG, FROM_START, MENU, REASON, STEP, Subject, given, glass_dialog, run_dialog
from opsbot.slack.seat import Seat


async def _undo(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.undo(press.value, who)


async def _decide(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.decide(press.value, is_granted=press.action_id == APPROVE, person=who)


async def _glass(seat: Seat, press: Press, who: Person) -> Answer:
    require(who, "commander", "approve a step alone, against its rules")
    subject = Subject("glass", press.value, press.channel, press.thread_ts)
    return glass_dialog(subject, await _approval(seat.runs, press.value))


async def _object(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.object(press.value, who)


async def _go_now(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.go_now(press.value, who)


async def _offer(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.offer_capacity(press.value, who)


async def _settle(seat: Seat, press: Press, who: Person) -> Answer:
    reference, _, step_id = press.value.partition(" ")
    return await seat.runs.settle(reference, step_id, press.action_id == HAPPENED, who)


async def _go_on(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.go_on(who)


async def _menu(seat: Seat, press: Press, who: Person) -> str | View:
    verb, _, reference = press.value.partition(" ")
    if verb == "resume":
        return await seat.runs.resume(reference, who)
    require(who, "responder", f"{verb} a run")
    return run_dialog(Subject(verb, reference, press.channel, press.thread_ts), await seat.runs.run(reference))


async def _submitted(seat: Seat, press: Press, who: Person) -> Answer:
    """Carry out what a dialog asks for."""
    subject, answers = Subject.load(press.value), given(press.view)
    reason, step = answers.get(REASON, ""), answers.get(STEP, "")
    match subject.verb:
        case "glass":
            return await seat.runs.break_glass(subject.reference, who, reason)
        case "pause":
            return await seat.runs.pause(subject.reference, who, reason)
        case "cancel":
            return await seat.runs.cancel(subject.reference, who, reason)
        case "skip":
            return await seat.runs.skip(subject.reference, step, who, reason)
        case "retry":
            from_step = None if step in ("", FROM_START) else step
            return (await seat.runs.again(subject.reference, who, from_step)).message
    raise ConfigError(f"this dialog is of another version of the bot ({subject.verb}); open it anew")


async def _approval(runs: RunCommands, approval_id: str) -> ApprovalView:
    for run in await runs.runs():
        for approval in run.approvals:
            if approval.approval_id == approval_id:
                return approval
    raise NotFoundError("this approval is no longer open; nothing was done")


PRESSES: Mapping[str, Handler] = {
    UNDO: _undo,
    APPROVE: _decide,
    REFUSE: _decide,
    GLASS: _glass,
    OBJECT: _object,
    GO_NOW: _go_now,
    OFFER: _offer,
    HAPPENED: _settle,
    NOT_HAPPENED: _settle,
    GO_ON: _go_on,
    MENU: _menu,
}
"""By action id."""
SUBMISSIONS: Mapping[str, Handler] = {DIALOG: _submitted}
"""By a dialog's callback id."""
