"""What a dialog becomes: it loads, it works, and it tells what came of it.

Pure. None of these has a button that does anything, so nobody can submit them.
"""

from __future__ import annotations

from slack_sdk.models.blocks import Block, ContextBlock, MarkdownTextObject, PlainTextObject, SectionBlock
from slack_sdk.models.views import View

from opsbot.incident.view import RunView
from opsbot.slack.dialogs.plan import CALLBACK
from opsbot.slack.dialogs.speech import Named, spoken
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.words import WORDS
from opsbot.slack.steps import run_text
from opsbot.slack.text import mrkdwn, shorten

MAX_SENTENCE = 2000


def loading_view(subject: Subject) -> View:
    """Shown at once, until servers have told what is in force."""
    return _view(subject, [_section("what", "⏳ Looking at what is in force now …")])


def working_view(subject: Subject) -> View:
    """Shown from the press until there is an outcome."""
    return _view(subject, [_section("what", "⏳ Working … You may close this; the channel tells you as well.")])


def refused_view(subject: Subject, sentence: str, named: Named) -> View:
    """Nothing was done, and why."""
    return _view(subject, [_section("what", f"✗ *Nothing was done.*\n{_spoken(sentence, named)}")])


def failed_view(subject: Subject, sentence: str) -> View:
    """It is not known what came of it."""
    return _view(subject, [_section("what", f"⚠ {_spoken(sentence, {})}")])


def outcome_view(subject: Subject, sentence: str, named: Named, run: RunView | None, *, is_live: bool) -> View:
    """It was done; and how the run goes on, while that is watched."""
    done = WORDS[subject.verb].done
    blocks: list[Block] = [_section("what", f"✓ *{done}*\n{_spoken(sentence, named)}")]
    if run is not None:
        blocks.append(_section("run", run_text(run)))
        text = "Kept up to date while this is open" if is_live else "This is not kept up to date any more"
        blocks.append(
            ContextBlock(block_id="live", elements=[MarkdownTextObject(text=f"{text} · the thread has all of it")])
        )
    return _view(subject, blocks)


def _view(subject: Subject, blocks: list[Block]) -> View:
    return View(
        type="modal",
        callback_id=CALLBACK,
        private_metadata=Subject(subject.verb, subject.reference, subject.channel, subject.thread_ts).dump(),
        notify_on_close=True,
        title=PlainTextObject(text=WORDS[subject.verb].title),
        close=PlainTextObject(text="Close"),
        blocks=blocks,
    )


def _section(block_id: str, text: str) -> SectionBlock:
    return SectionBlock(block_id=block_id, text=mrkdwn(text))


def _spoken(sentence: str, named: Named) -> str:
    return spoken(shorten(sentence, MAX_SENTENCE), named)
