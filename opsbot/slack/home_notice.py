"""Answers on the Home tab also when the tab itself cannot be made, such as while the database does not answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from slack_sdk.errors import SlackClientError
from slack_sdk.models.blocks import SectionBlock
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.slack.text import escape, mrkdwn, shorten

logger = logging.getLogger(__name__)

MAX_SENTENCE = 1000
AGAIN = "Open this tab again in a moment; `/ops status` in any channel says what can be read."
UNEXPECTED = "there was an error inside opsbot; its log has the details"

ShowHome = Callable[[AsyncWebClient, str, str], Awaitable[None]]


async def show_home(show: ShowHome, client: AsyncWebClient, user_id: str, notice: str = "") -> None:
    """Have *show* publish the tab with *notice* on top; where it cannot, the notice alone and why.

    Raises: SlackClientError, aiohttp.ClientError or TimeoutError if Slack does not take it.
    """
    try:
        await show(client, user_id, notice)
    except (SlackClientError, TimeoutError):
        raise
    except OpsbotError as error:
        logger.warning("the Home tab is not shown: %s", error)
        await client.views_publish(user_id=user_id, view=notice_view(notice, str(error)))
    except OSError:
        # Among them what aiohttp raises where Slack does not answer.
        raise
    except Exception:
        logger.exception("the Home tab is not shown")
        await client.views_publish(user_id=user_id, view=notice_view(notice, UNEXPECTED))


def notice_view(notice: str, why: str) -> View:
    """The tab with what came of the last press, and why it shows nothing else."""
    blocks = []
    if notice:
        blocks.append(SectionBlock(block_id="notice", text=mrkdwn(f"*{escape(shorten(notice, MAX_SENTENCE))}*")))
    text = f"⚠ *This tab cannot be filled:* {escape(shorten(why, MAX_SENTENCE))}.\n{AGAIN}"
    blocks.append(SectionBlock(block_id="unread", text=mrkdwn(text)))
    return View(type="home", blocks=blocks)
