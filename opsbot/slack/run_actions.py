"""What a press, a menu's entry or a dialog about a run does: one command, or the dialog that asks before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.models.views import View

from opsbot.errors import ConfigError, NotFoundError
from opsbot.incident.view import ApprovalView
from opsbot.people import Person
from opsbot.rights import require
from opsbot.runbook.commands import RunCommands
from opsbot.slack.asked import APPROVE, GLASS, GO_NOW, HAPPENED, NOT_HAPPENED, OBJECT, OFFER, REFUSE
from opsbot.slack.buttons import GO_ON, UNDO
from opsbot.slack.run_menu import FROM_START, MENU, REASON, STEP, Subject, given, glass_dialog, run_dialog

ACTIONS = (APPROVE, REFUSE, GLASS, OBJECT, GO_NOW, OFFER, HAPPENED, NOT_HAPPENED, GO_ON, MENU)


class RunPresses:
    """Carries out what people press about runs."""

    def __init__(self, runs: RunCommands) -> None:
        self._runs = runs

    async def press(self, action_id: str, value: str, who: Person, place: tuple[str | None, str | None]) -> str | View:
        """The sentence for the person, or the dialog to open.

        Args:
            value: the button's, or the menu entry's.
            place: channel and thread where a dialog's answer goes.

        Raises: what the command raises, as sentences for the person.
        """
        if action_id == UNDO or action_id.startswith(f"{UNDO}."):
            return await self._runs.undo(value, who)
        match action_id:
            case "approval.grant" | "approval.refuse":
                return await self._runs.decide(value, is_granted=action_id == APPROVE, person=who)
            case "approval.glass":
                require(who, "commander", "approve a step alone, against its rules")
                return glass_dialog(Subject("glass", value, *place), await self._approval(value))
            case "announcement.object":
                return await self._runs.object(value, who)
            case "announcement.now":
                return await self._runs.go_now(value, who)
            case "announcement.capacity":
                return await self._runs.offer_capacity(value, who)
            case "step.happened" | "step.not_happened":
                reference, _, step_id = value.partition(" ")
                return await self._runs.settle(reference, step_id, action_id == HAPPENED, who)
            case "halt.go_on":
                return await self._runs.go_on(who)
            case _:
                return await self._menu(value, who, place)

    async def _menu(self, value: str, who: Person, place: tuple[str | None, str | None]) -> str | View:
        verb, _, reference = value.partition(" ")
        if verb == "resume":
            return await self._runs.resume(reference, who)
        require(who, "responder", f"{verb} a run")
        return run_dialog(Subject(verb, reference, *place), await self._runs.run(reference))

    async def submit(self, subject: Subject, view: Mapping[str, Any], who: Person) -> str:
        """Carry out what a dialog asks for; raises what the command raises."""
        answers = given(view)
        reason, step = answers.get(REASON, ""), answers.get(STEP, "")
        match subject.verb:
            case "glass":
                return await self._runs.break_glass(subject.reference, who, reason)
            case "pause":
                return await self._runs.pause(subject.reference, who, reason)
            case "cancel":
                return await self._runs.cancel(subject.reference, who, reason)
            case "skip":
                return await self._runs.skip(subject.reference, step, who, reason)
            case "retry":
                from_step = None if step in ("", FROM_START) else step
                return (await self._runs.again(subject.reference, who, from_step)).message
        raise ConfigError(f"this dialog is of another version of the bot ({subject.verb}); open it anew")

    async def _approval(self, approval_id: str) -> ApprovalView:
        for run in await self._runs.runs():
            for approval in run.approvals:
                if approval.approval_id == approval_id:
                    return approval
        raise NotFoundError("this approval is no longer open; nothing was done")
