"""Opens a dialog for whoever pressed or typed; Slack allows that for three seconds after it."""

from __future__ import annotations

import logging

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.call import error_code

logger = logging.getLogger(__name__)

NOT_OPENED = "Slack did not open the dialog; press again, or type the command that `/ops help` names."


async def opened(client: AsyncWebClient, trigger_id: str, view: View) -> str | None:
    """Open *view*; answers a sentence for the person where Slack did not, None where it did."""
    try:
        await client.views_open(trigger_id=trigger_id, view=view)
    except SlackApiError as error:
        logger.warning("the dialog %s is not opened: %s", view.callback_id, error_code(error))
        return NOT_OPENED
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the dialog %s is not opened: %s", view.callback_id, type(error).__name__)
        return NOT_OPENED
    return None
