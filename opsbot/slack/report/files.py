"""Pictures of reports as files: one that an earlier process uploaded is found by its name, and not uploaded again."""

from __future__ import annotations

import logging

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.call import error_code
from opsbot.slack.upload import Uploader

logger = logging.getLogger(__name__)

LOOK_BACK_S = 600.0
"""The clocks of Slack and of this machine may differ."""
MOST_FILES = 100


class ReportFiles:
    """Implements opsbot.utilisation.reporter.Files."""

    def __init__(self, client: AsyncWebClient, uploader: Uploader) -> None:
        self._client = client
        self._uploader = uploader

    async def file(self, name: str, png: bytes, title: str, alt_text: str, since: float, *, may_be_there: bool) -> str:
        """The id of the file.

        Raises: UploadError.
        """
        found = await self._there(name, since) if may_be_there else None
        return found or await self._uploader.upload(png, name, title, alt_text)

    async def _there(self, name: str, since: float) -> str | None:
        """The id of an own file of that name; None where there is none, or where we may not look."""
        try:
            me = await self._client.auth_test()
            listed = await self._client.files_list(
                user=str(me["user_id"]), ts_from=str(int(max(0.0, since - LOOK_BACK_S))), count=MOST_FILES
            )
        except SlackApiError as error:
            # At worst a second file is there, which no message shows.
            logger.info("files are not looked through: %s", error_code(error))
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.info("files are not looked through: %s", type(error).__name__)
            return None
        return next((str(file["id"]) for file in listed.get("files") or () if file.get("name") == name), None)
