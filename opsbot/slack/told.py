"""A dialog to read: what came of something, where a private answer would scroll away."""

from __future__ import annotations

from slack_sdk.models.blocks import PlainTextObject, SectionBlock
from slack_sdk.models.views import View

from opsbot.slack.answer_blocks import answer_blocks
from opsbot.slack.text import mrkdwn

TOLD = "ops.told"
MAX_BLOCKS = 90
"""Of a dialog's hundred. Page "Views"."""


def told_view(head: str, text: str) -> View:
    """*text*, which is mrkdwn, under *head* of at most 24 characters; without a button that does anything."""
    return View(
        type="modal",
        callback_id=TOLD,
        title=PlainTextObject(text=head),
        close=PlainTextObject(text="Close"),
        blocks=answer_blocks(text, MAX_BLOCKS, None) or [SectionBlock(text=mrkdwn("Done."))],
    )
