"""Pictures into Slack, unshared: an address is asked for, the bytes go there, and the file is completed.

The file is seen only where a message's image block names it. A repeat begins anew: what was not completed is dropped
by Slack. What an administrator must cure is said once, and not tried again for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.notify.notifier import DeliveryError
from opsbot.slack.call import error_code, retry_after
from opsbot.slack.text import plain

logger = logging.getLogger(__name__)

TRIES = 3
PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
WITHIN_S = 60.0
"""For all tries together: a picture that comes later than that is an old one."""
MAX_BYTES = 4 * 1024 * 1024
MAX_ALT_TEXT = 1000
"""Characters of a file's description. Page "files.getUploadURLExternal"."""
MAX_TITLE = 200
BLOCKED_S = 3600.0
NOT_ALLOWED = {
    "missing_scope": "give the app the scope files:write and install it again",
    "not_allowed_token_type": "set a bot token (xoxb-…) with the scope files:write",
    "access_denied": "let the app upload files in the workspace's settings",
    "file_uploads_disabled": "let files be uploaded in the workspace's settings",
    "storage_limit_reached": "free storage in the workspace",
}
"""Slack's error to what an administrator does about it."""
GONE = frozenset({"file_not_found", "file_deleted", "cant_delete_file"})


class UploadError(DeliveryError):
    """The picture is not there; the message goes without."""


class Uploader:
    """Uploads and deletes files of the bot.

    Args:
        client: without retry handlers; repeats are counted here.
    """

    def __init__(
        self, client: AsyncWebClient, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._blocked_until = 0.0
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why there are no pictures, and what an administrator does about it; None while there are."""
        return self._problem

    async def upload(self, png: bytes, name: str, title: str, alt_text: str) -> str:
        """The id of the new file.

        Args:
            name: of the file, such as `INC-1.png`.

        Raises: UploadError.
        """
        if self._clock.monotonic() < self._blocked_until:
            raise UploadError(self._problem or "pictures are not allowed", retryable=False)
        if len(png) > MAX_BYTES:
            raise UploadError(f"{name} has {len(png)} bytes, at most {MAX_BYTES} are sent", retryable=False)
        try:
            async with asyncio.timeout(WITHIN_S):
                file_id = await self._try(png, name, title, alt_text)
        except TimeoutError as error:
            raise UploadError(f"{name} is not uploaded within {WITHIN_S:.0f} s") from error
        self._problem = None
        return file_id

    async def delete(self, file_id: str) -> None:
        """Delete a file; one that cannot be is left, and logged."""
        try:
            await self._client.files_delete(file=file_id)
        except SlackApiError as error:
            if error_code(error) not in GONE:
                logger.warning("an old picture is not deleted: %s", error_code(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("an old picture is not deleted: %s", type(error).__name__)

    async def _try(self, png: bytes, name: str, title: str, alt_text: str) -> str:
        for attempt in range(1, TRIES + 1):
            pause = PAUSE_S * attempt
            try:
                done = await self._client.files_upload_v2(
                    content=png, filename=name, title=plain(title, MAX_TITLE), alt_txt=plain(alt_text, MAX_ALT_TEXT)
                )
                return str(done["files"][0]["id"])
            except SlackApiError as error:
                code = error_code(error)
                if code in NOT_ALLOWED:
                    raise self._block(code) from error
                waits = retry_after(error)
                if waits is None and not _is_passing(code):
                    raise UploadError(f"Slack does not take {name}: {code}", retryable=False) from error
                said, pause = code, pause if waits is None else waits
            except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError) as error:
                # The text of the error may quote the address, which is a secret for as long as it is good.
                said = type(error).__name__
            if attempt < TRIES:
                await self._sleep(min(pause, LONGEST_PAUSE_S))
        raise UploadError(f"{name} is not uploaded after {TRIES} tries: {said}")

    def _block(self, code: str) -> UploadError:
        said = f"no pictures in Slack ({code}): {NOT_ALLOWED[code]}"
        if self._problem != said:
            logger.error("%s", said)
        self._problem = said
        self._blocked_until = self._clock.monotonic() + BLOCKED_S
        return UploadError(said, retryable=False)


def _is_passing(code: str) -> bool:
    return code.startswith("http_5") or code in (
        "internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited",
    )  # fmt: skip
