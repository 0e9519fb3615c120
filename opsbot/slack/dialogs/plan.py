"""The dialog that shows a look ahead: what will happen, how it is undone, what is in the way, and the digest.

Pure. However long the plan is, it fits Slack's limits: what is cut is counted, with where all of it can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    DividerBlock,
    InputBlock,
    MarkdownTextObject,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.views import View

from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.preview import Preview, PreviewStep
from opsbot.slack.dialogs.speech import Named, spoken
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.words import WORDS, Words
from opsbot.slack.limits import MAX_REASON
from opsbot.slack.text import mrkdwn, shorten

CALLBACK = "opsbot.ask"
REASON = "reason"
MOST_STEPS = 12
MOST_LINES = 8
"""Lines of what follows and of what is in the way."""
MAX_SENTENCE = 600
MAX_ARGUMENTS = 250
MOST_ARGUMENTS = 6


def plan_view(
    subject: Subject, preview: Preview, named: Named, *, changed: Sequence[str] = (), reason: str = ""
) -> View:
    """The dialog.

    Args:
        changed: what has changed since it was shown before; then nothing was done yet.
        reason: what was typed already.

    Raises: ConfigError if the dialog cannot carry what it is about.
    """
    words = WORDS[subject.verb]
    carried = replace(subject, digest=preview.digest, reason="")
    return View(
        type="modal",
        callback_id=CALLBACK,
        private_metadata=carried.dump(),
        notify_on_close=True,
        title=PlainTextObject(text=words.title),
        submit=PlainTextObject(text=words.submit),
        close=PlainTextObject(text="Not now"),
        blocks=list(_blocks(words, preview, named, changed, reason or subject.reason)),
    )


def _blocks(words: Words, preview: Preview, named: Named, changed: Sequence[str], reason: str) -> Iterator[Block]:
    if changed:
        told = "\n".join(f"• {_sentence(one, named)}" for one in changed[:MOST_LINES])
        yield SectionBlock(
            block_id="changed",
            text=mrkdwn(
                f"⚠ *Nothing was done: this has changed since you looked.*\n{told}\nRead it anew, then decide."
            ),
        )
    yield SectionBlock(block_id="about", text=mrkdwn(_sentence(preview.about, named)))
    if preview.in_the_way:
        lines = _listed(preview.in_the_way, named)
        yield SectionBlock(block_id="in_the_way", text=mrkdwn(f"⚠ *In the way*\n{lines}"))
    yield SectionBlock(block_id="does", text=mrkdwn(f"*{words.does}*"))
    is_many = len(preview.steps) > 1
    for index, step in enumerate(preview.steps[:MOST_STEPS]):
        number = f"{index + 1}. " if is_many else ""
        yield SectionBlock(block_id=f"step:{index}", text=mrkdwn(step_text(step, named, number)))
    if len(preview.steps) > MOST_STEPS:
        yield SectionBlock(block_id="cut", text=mrkdwn(cut_text(preview)))
    if preview.afterwards:
        yield SectionBlock(block_id="afterwards", text=mrkdwn(_listed(preview.afterwards, named)))
    yield DividerBlock()
    undone = "\n".join(_sentence(one, named) for one in (preview.undo, preview.by_itself) if one)
    yield SectionBlock(block_id="undo", text=mrkdwn(f"*Taken back*\n{undone or 'Nothing needs to be.'}"))
    if preview.who:
        yield SectionBlock(block_id="who", text=mrkdwn(f"*Who decides*\n{_sentence(preview.who, named)}"))
    yield ContextBlock(
        block_id="digest",
        elements=[MarkdownTextObject(text=f"Plan `{preview.short_digest}` · if it changes, you are asked anew")],
    )
    if words.reason:
        yield reason_input(words, reason)


def reason_input(words: Words, initial: str = "", limit: int = MAX_REASON) -> InputBlock:
    """The field for a reason of at most *limit* characters."""
    return InputBlock(
        block_id=REASON,
        label=PlainTextObject(text=words.reason),
        optional=not words.is_reason_needed,
        element=PlainTextInputElement(
            action_id=REASON, max_length=limit, multiline=True, initial_value=shorten(initial, limit) or None
        ),
    )


def step_text(step: PreviewStep, named: Named, number: str = "") -> str:
    """One step: its name, each knob from now to after, what it does, and with what."""
    lines = [f"{number}*{_sentence(step.name, named, 150)}*" + (f" · `{_code(step.action)}`" if step.action else "")]
    lines += [turn_text(turn) for turn in step.turns]
    lines.append(_capital(_sentence(step.does, named)))
    if step.unread:
        lines.append(f"⚠ {_capital(_sentence(step.unread, named, 300))}")
    if step.undo:
        lines.append(f"_Taken back:_ {_sentence(step.undo, named)}")
    if step.arguments:
        more = len(step.arguments) - MOST_ARGUMENTS
        told = ", ".join(step.arguments[:MOST_ARGUMENTS]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"_With_ {_sentence(told, named, MAX_ARGUMENTS)}")
    return "\n".join(lines)


def turn_text(turn: KnobTurn) -> str:
    """A knob with its value now and after: `eu-1/batch_limit: 32 → 8`."""
    arrow = f"*{spoken(turn.now, {})}* → *{spoken(turn.after, {})}*" if turn.is_turned else f"stays {turn.now}"
    return f"`{_code(turn.knob)}`  {arrow}"


def cut_text(preview: Preview) -> str:
    """How many steps are not shown, and where they can be read."""
    more = len(preview.steps) - MOST_STEPS
    reference = spoken(preview.reference, {})
    where = f"`opsbot preview {preview.verb} {reference}` at a terminal has all" if reference else "the thread has all"
    return f"… and *{more} more*; {where}. The digest is over all {len(preview.steps)}."


def _listed(lines: Sequence[str], named: Named) -> str:
    told = [f"• {_sentence(one, named, 300)}" for one in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        told.append(f"• … and {len(lines) - MOST_LINES} more")
    return "\n".join(told)


def _sentence(text: str, named: Named, limit: int = MAX_SENTENCE) -> str:
    # Slack takes no empty text, and a name of unseen characters only is one.
    return spoken(shorten(" ".join(text.split()), limit), named).strip() or "–"


def _code(text: str) -> str:
    return spoken(text.replace("`", "'"), {})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
