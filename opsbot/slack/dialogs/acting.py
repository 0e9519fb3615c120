"""Does what a dialog asked about: one command for each verb."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.runbook.preview import Preview
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.seat import Seat


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it.

    Args:
        sentence: for the person who pressed.
        run_id: of the run that goes on; empty if there is nothing to watch.
    """

    sentence: str
    run_id: str = ""


async def act(seat: Seat, subject: Subject, preview: Preview, person: Person, reason: str) -> Done:
    """Do it; raises what the command raises."""
    runs, name = seat.runs, subject.reference
    match subject.verb:
        case "approve":
            return Done(await runs.decide(name, is_granted=True, person=person), preview.run_id)
        case "glass":
            return Done(await runs.break_glass(name, person, reason), preview.run_id)
        case "start":
            started = await runs.start(subject.run_request(), person)
            return Done(started.message, started.run.run_id)
        case "undo":
            return Done(await runs.undo(name, person), preview.run_id)
        case "cancel":
            return Done(await runs.cancel(name, person, reason), preview.run_id)
        case "object":
            return Done(await runs.object(name, person, reason), preview.run_id)
        case "go_now":
            return Done(await runs.go_now(name, person), preview.run_id)
        case "resolve":
            return Done(await seat.incidents.resolve(name, reason, person))
        case "stop_all":
            return Done(await runs.stop_all(person, reason))
        case "go_on":
            return Done(await runs.go_on(person))
    raise ConfigError(f"this dialog is of another version of the bot ({subject.verb}); open it anew")
