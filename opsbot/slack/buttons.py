"""The buttons under an incident: what each says it will do, how that is taken back, and the ids that come back to us.

Pure. An action id names the verb; the button's value carries the id of the thing, so an old message still presses
what it showed. Rights are checked by the command that a press calls, never by leaving a button out.
"""

from __future__ import annotations

from slack_sdk.models.blocks import ActionsBlock, ButtonElement, ConfirmObject, PlainTextObject

from opsbot.incident.incident import Incident, IncidentState
from opsbot.incident.view import RunView
from opsbot.slack.limits import (
    MAX_ACTION_ELEMENTS,
    MAX_BLOCK_ID,
    MAX_BUTTON_TEXT,
    MAX_CONFIRM_TEXT,
    MAX_CONFIRM_TITLE,
)
from opsbot.slack.text import shorten

ACKNOWLEDGE = "incident.acknowledge"
GO_ON = "halt.go_on"
UNDO = "run.undo"


def incident_buttons(incident: Incident, runs: tuple[RunView, ...]) -> ActionsBlock | None:
    """Acknowledge while nobody has, Undo for every run that holds something; None when there is nothing to press."""
    elements: list[ButtonElement] = []
    if incident.state is IncidentState.OPEN:
        elements.append(ButtonElement(text="Acknowledge", action_id=ACKNOWLEDGE, value=incident.incident_id))
    undoable = [run for run in runs if run.can_undo]
    for number, run in enumerate(undoable[: MAX_ACTION_ELEMENTS - 1]):
        elements.append(
            ButtonElement(
                text=shorten("Undo" if len(undoable) == 1 else f"Undo: {run.runbook_name}", MAX_BUTTON_TEXT),
                action_id=UNDO if number == 0 else f"{UNDO}.{number}",
                value=run.run_id,
                style="danger",
            )
        )
    if not elements:
        return None
    return ActionsBlock(block_id=block_id("incident", incident.incident_id), elements=elements)


def go_on_button() -> ActionsBlock:
    """Lift the global stop."""
    return ActionsBlock(
        block_id="halt:go_on",
        elements=[ButtonElement(text="Let runs go on", action_id=GO_ON, value="all")],
    )


def block_id(kind: str, reference: str) -> str:
    """A block id that is stable over edits, so that clients keep the block in place."""
    return f"{kind}:{reference}"[:MAX_BLOCK_ID]


def confirm(title: str, text: str, confirm: str, deny: str, *, style: str | None = None) -> ConfirmObject:
    """A dialog that asks once more, within Slack's limits."""
    # Plain text, because the sentences come from the domain and are not to be formatted here.
    return ConfirmObject(
        title=shorten(title, MAX_CONFIRM_TITLE),
        text=PlainTextObject(text=shorten(text, MAX_CONFIRM_TEXT)),
        confirm=confirm,
        deny=deny,
        style=style,
    )
