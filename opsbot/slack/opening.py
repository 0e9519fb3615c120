"""Opens a dialog for whoever pressed or typed; Slack allows that for three seconds after it."""

from __future__ import annotations

from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.dialogs.views import open_view

NOT_OPENED = "Slack did not open the dialog; press again, or type the command that `/ops help` names."


async def opened(client: AsyncWebClient, trigger_id: str, view: View) -> str | None:
    """Open *view*; answers a sentence for the person where Slack did not, None where it did."""
    return NOT_OPENED if await open_view(client, trigger_id, view) is None else None
