"""The menu beside a run, and the dialogs of its entries that change no knob: pause, leave out, repeat.

Pure. Each says what will happen and how it is undone; `cancel` opens a look ahead instead.
"""

from __future__ import annotations

from collections.abc import Sequence

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

from opsbot.errors import ConfigError
from opsbot.incident.view import RunView
from opsbot.runbook.run import RunState, StepState
from opsbot.slack.asked import run_reference
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.limits import MAX_OPTION_TEXT, MAX_OPTIONS, MAX_REASON
from opsbot.slack.text import escape, mrkdwn, shorten

MENU = "run.menu"
DIALOG = "opsbot.dialog"
REASON, STEP = "reason", "step"
FROM_START = "-"

UNDER_WAY = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)
OVER = (RunState.SUCCEEDED, RunState.FAILED, RunState.UNDONE, RunState.CANCELLED)
NOT_YET_ACTED = (StepState.PENDING, StepState.WAITING_APPROVAL, StepState.ANNOUNCING, StepState.READY)


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
            raise ConfigError(f"this menu is of another version of the bot ({subject.verb}); use the newest message")


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
