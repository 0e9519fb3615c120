"""Opens a dialog, and changes one that is open; what Slack does not take is said, never raised."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.call import error_code

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A dialog that is open; the hash tells whether somebody else has changed it since."""

    view_id: str
    hash: str


async def open_view(client: AsyncWebClient, trigger_id: str, view: View) -> Opened | None:
    """Open *view*; None where Slack did not, most often since the trigger was too old."""
    try:
        answer = await client.views_open(trigger_id=trigger_id, view=view)
    except SlackApiError as error:
        logger.warning("the dialog %s is not opened: %s", view.callback_id, error_code(error))
        return None
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the dialog %s is not opened: %s", view.callback_id, type(error).__name__)
        return None
    opened = answer.get("view") or {}
    return Opened(str(opened.get("id", "")), str(opened.get("hash", "")))


async def update_view(client: AsyncWebClient, opened: Opened, view: View) -> Opened | None:
    """Change an open dialog; None where it is closed or somebody else has changed it meanwhile."""
    try:
        given = {"hash": opened.hash} if opened.hash else {}
        answer = await client.views_update(view_id=opened.view_id, view=view, **given)
    except SlackApiError as error:
        # Somebody closed it, or it shows something newer: neither is a fault.
        logger.info("the dialog %s is not changed: %s", view.callback_id, error_code(error))
        return None
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the dialog %s is not changed: %s", view.callback_id, type(error).__name__)
        return None
    changed = answer.get("view") or {}
    return Opened(opened.view_id, str(changed.get("hash", "")))
