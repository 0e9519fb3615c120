"""What a press, a menu's entry or a dialog about a run does: one command, or the dialog that asks before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.preview import PreviewVerb
from opsbot.slack.asked import APPROVE, GLASS, GO_NOW, HAPPENED, NOT_HAPPENED, OBJECT, OFFER, REFUSE
from opsbot.slack.buttons import GO_ON, UNDO
from opsbot.slack.dialogs.subject import Subject, start_subject
from opsbot.slack.given import given
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.run_menu import DIALOG, FROM_START, MENU, REASON, STEP, run_dialog
from opsbot.slack.seat import Seat

STOP_ALL = "halt.stop_all"
START = "run.start"


def _dialog(verb: PreviewVerb) -> Handler:
    """Shows what will happen before it is done."""

    async def ask(seat: Seat, press: Press, who: Person) -> Answer:
        return Subject(verb, press.value, press.channel, press.thread_ts)

    return ask


async def _refuse(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.decide(press.value, is_granted=False, person=who)


async def _offer(seat: Seat, press: Press, who: Person) -> Answer:
    return await seat.runs.offer_capacity(press.value, who)


async def _settle(seat: Seat, press: Press, who: Person) -> Answer:
    reference, _, step_id = press.value.partition(" ")
    return await seat.runs.settle(reference, step_id, press.action_id == HAPPENED, who)


async def _start(seat: Seat, press: Press, who: Person) -> Answer:
    """A button that starts a runbook carries `RUNBOOK [INC-1]`; each press is one request."""
    runbook, _, incident = press.value.partition(" ")
    identity = hashlib.sha256(f"{press.source}:{press.action_ts}:{press.user_id}".encode()).hexdigest()[:32]
    return start_subject(RunRequest(runbook, identity, incident_id=incident or None), press.channel, press.thread_ts)


async def _menu(seat: Seat, press: Press, who: Person) -> Answer:
    verb, _, reference = press.value.partition(" ")
    if verb == "resume":
        return await seat.runs.resume(reference, who)
    if verb in ("cancel", "undo"):
        return Subject(verb, reference, press.channel, press.thread_ts)
    require(who, "responder", f"{verb} a run")
    return run_dialog(Subject(verb, reference, press.channel, press.thread_ts), await seat.runs.run(reference))


async def _submitted(seat: Seat, press: Press, who: Person) -> Answer:
    """Carry out what a dialog asks for."""
    subject, answers = Subject.load(press.value), given(press.view)
    reason, step = answers.get(REASON, ""), answers.get(STEP, "")
    match subject.verb:
        case "pause":
            return await seat.runs.pause(subject.reference, who, reason)
        case "skip":
            return await seat.runs.skip(subject.reference, step, who, reason)
        case "retry":
            from_step = None if step in ("", FROM_START) else step
            return (await seat.runs.again(subject.reference, who, from_step)).message
    raise ConfigError(f"this dialog is of another version of the bot ({subject.verb}); open it anew")


PRESSES: Mapping[str, Handler] = {
    UNDO: _dialog("undo"),
    APPROVE: _dialog("approve"),
    REFUSE: _refuse,
    GLASS: _dialog("glass"),
    OBJECT: _dialog("object"),
    GO_NOW: _dialog("go_now"),
    OFFER: _offer,
    HAPPENED: _settle,
    NOT_HAPPENED: _settle,
    GO_ON: _dialog("go_on"),
    STOP_ALL: _dialog("stop_all"),
    START: _start,
    MENU: _menu,
}
"""By action id."""
SUBMISSIONS: Mapping[str, Handler] = {DIALOG: _submitted}
"""By a dialog's callback id."""
