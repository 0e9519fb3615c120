"""The menu beside a run, and the dialogs that its entries open: each says what will happen and how it is undone.

Pure. A dialog carries in its private metadata what it is about and where to answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    InputBlock,
    Option,
    OverflowMenuElement,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from opsbot.incident.view import ApprovalView, RunView
from opsbot.runbook.run import RunState, StepState
from opsbot.slack.asked import run_reference
from opsbot.slack.steps import MAX_SENTENCE
from opsbot.slack.text import escape, mrkdwn, shorten

MENU = "run.menu"
DIALOG = "opsbot.dialog"
REASON, STEP = "reason", "step"
FROM_START = "-"
MAX_OPTION_TEXT = 75
"""Characters of an option. Page "Option object"."""
MAX_OPTIONS = 100
"""Options of a select menu. Page "Select menu element"."""
MAX_REASON = 500

UNDER_WAY = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)
OVER = (RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED)
NOT_YET_ACTED = (StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a dialog is about, and where its answer goes.

    Args:
        verb: `pause`, `cancel`, `skip`, `retry`, or `glass`.
        reference: a run's, or an approval's id.
        channel, thread_ts: no channel on the Home tab.
    """

    verb: str
    reference: str
    channel: str | None = None
    thread_ts: str | None = None

    def dump(self) -> str:
        """As a dialog carries it."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Subject:
        """What a dialog carried; raises ValueError if that is none of ours."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError("no subject")
        return cls(**found)


def run_menu(run: RunView) -> OverflowMenuElement | None:
    """What can be done with the run as it is; None if there is nothing."""
    entries: list[tuple[str, str]] = []
    if run.state in UNDER_WAY:
        entries.append(("resume", "Resume") if run.paused_by else ("pause", "Pause …"))
        if run.state != RunState.QUEUED and skippable(run):
            entries.append(("skip", "Leave a step out …"))
        entries.append(("cancel", "Cancel and take back …"))
    elif run.state in (*OVER, RunState.HOLDING, RunState.NEEDS_PERSON):
        entries.append(("retry", "Repeat …"))
        if run.state not in OVER:
            entries.append(("cancel", "Cancel and take back …"))
    if not entries:
        return None
    reference = run_reference(run.run_id)
    return OverflowMenuElement(
        action_id=MENU, options=[Option(text=label, value=f"{verb} {reference}") for verb, label in entries]
    )


def skippable(run: RunView) -> Sequence[tuple[str, str]]:
    """Steps that have not acted, each with its name."""
    return [(step.step_id, step.name) for step in run.steps if step.state in NOT_YET_ACTED and "[" not in step.step_id]


def run_dialog(subject: Subject, run: RunView) -> View:
    """The dialog of one entry of the menu."""
    name = escape(shorten(run.runbook_name, 120))
    head = f"*{name}* (`{run.handle}`)"
    match subject.verb:
        case "pause":
            text = f"{head} begins nothing more; what it holds stays. *Resume* in the same menu lets it go on."
            return _dialog(subject, "Pause this run?", text, "Pause", [_reason()])
        case "skip":
            text = (
                f"{head} makes the others. A step that was left out can be made later: *Repeat* once the run is over."
            )
            options = [_option(name, step_id) for step_id, name in skippable(run)[:MAX_OPTIONS]]
            return _dialog(subject, "Leave a step out?", text, "Leave out", [_select("Step", options), _reason()])
        case "retry":
            text = f"{head} is made anew: the same runbook as it was, the same inputs. *Cancel* takes it back."
            steps = [_option(step.name, step.step_id) for step in run.steps if "[" not in step.step_id]
            options = [Option(text="From the beginning", value=FROM_START), *steps][:MAX_OPTIONS]
            return _dialog(subject, "Repeat this run?", text, "Repeat", [_select("Begin with", options)])
        case _:
            text = f"{head} makes no further step, and what it has set is taken back. *Repeat* makes it anew."
            return _dialog(subject, "Cancel this run?", text, "Cancel the run", [_reason()])


def glass_dialog(subject: Subject, approval: ApprovalView) -> View:
    """The dialog before a commander approves alone."""
    text = (
        f"*Will do:* {escape(shorten(approval.will_do, MAX_SENTENCE))}\n"
        f"*Taken back:* {escape(shorten(approval.undo, MAX_SENTENCE))}\n"
        "You approve it alone, against its rules: the channel is told, somebody is paged, and it is reviewed."
    )
    return _dialog(subject, "Approve alone?", text, "Approve alone", [_reason()])


def given(view: Mapping[str, Any]) -> Mapping[str, str]:
    """What was typed and chosen in a dialog, by block."""
    found: dict[str, str] = {}
    for block, elements in view.get("state", {}).get("values", {}).items():
        for element in elements.values():
            chosen = element.get("selected_option") or {}
            found[str(block)] = str(element.get("value") or chosen.get("value") or "")
    return found


def _dialog(subject: Subject, title: str, text: str, submit: str, inputs: Sequence[Block]) -> View:
    return View(
        type="modal",
        callback_id=DIALOG,
        private_metadata=subject.dump(),
        title=PlainTextObject(text=title),
        submit=PlainTextObject(text=submit),
        close=PlainTextObject(text="Not now"),
        blocks=[SectionBlock(block_id="what", text=mrkdwn(text)), *inputs],
    )


def _reason() -> InputBlock:
    return InputBlock(
        block_id=REASON,
        label=PlainTextObject(text="Why? The next reader was not there"),
        element=PlainTextInputElement(action_id=REASON, max_length=MAX_REASON, min_length=1, multiline=True),
    )


def _select(label: str, options: Sequence[Option]) -> InputBlock:
    return InputBlock(
        block_id=STEP,
        label=PlainTextObject(text=label),
        element=StaticSelectElement(action_id=STEP, options=options, initial_option=options[0]),
    )


def _option(name: str, step_id: str) -> Option:
    return Option(text=shorten(name, MAX_OPTION_TEXT), value=step_id)
