"""One message on its way to Slack: whole, or without what Slack does not take of it, but never lost.

Too long, it goes shortened; with blocks that Slack refuses, its text goes alone and the log says which block was
wrong. Either way the reader is told that something is missing and where to see it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from slack_sdk.models.blocks import Block
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.slack.call import BadBlocks, TooLong, answered
from opsbot.slack.limits import MAX_MESSAGE_TEXT
from opsbot.slack.text import shorten

logger = logging.getLogger(__name__)

SHORT_TEXT = 1000
NO_BLOCKS = "\nSlack did not take the buttons and details of this message; `opsbot incidents` and `/ops help` do."


@dataclass(frozen=True, slots=True)
class Content:
    """What one call says.

    Args:
        text: mrkdwn.
        happened_at: when that became so, seconds since the epoch.
        file_id: of the picture among the blocks.
    """

    text: str
    blocks: tuple[Block, ...] | None
    is_broadcast: bool
    happened_at: float
    file_id: str | None = None


def without_picture(content: Content) -> Content:
    """The same without its picture."""
    blocks = None if content.blocks is None else tuple(one for one in content.blocks if one.type != "image")
    return replace(content, blocks=blocks, file_id=None)


async def said(
    send: Callable[[Content], Awaitable[AsyncSlackResponse]], content: Content, what: str, *, is_post: bool = False
) -> AsyncSlackResponse:
    """The answer of *send* to *content*, or to what is left of it.

    Raises: what `answered` raises, if Slack takes nothing of it; BadBlocks at once where the blocks hold a picture,
        since it may be the picture that is refused.
    """
    for left in _ever_less(content):
        try:
            return await answered(send(left), what, is_post=is_post)
        except (TooLong, BadBlocks) as error:
            if isinstance(error, BadBlocks) and left.file_id is not None and left.blocks:
                raise
            logger.error("%s; it goes with less", error)
            refusal = error
    raise refusal


def _ever_less(content: Content) -> Sequence[Content]:
    shortest = replace(content, text=shorten(content.text, SHORT_TEXT))
    if content.blocks is None:
        return content, shortest
    # Not None: an edit without blocks would leave those that stand.
    alone = replace(content, text=shorten(content.text, MAX_MESSAGE_TEXT - len(NO_BLOCKS)) + NO_BLOCKS, blocks=())
    return content, alone, replace(shortest, blocks=())
