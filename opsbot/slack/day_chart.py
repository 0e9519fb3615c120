"""The chart of the fleet's day for whoever asks: drawn and uploaded once in a few minutes, however many ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from slack_sdk.models.blocks import Block, ImageBlock, PlainTextObject
from slack_sdk.models.blocks.basic_components import SlackFile

from opsbot.chart.picture import Picture
from opsbot.clock import Clock
from opsbot.slack.text import plain
from opsbot.slack.upload import Uploader, UploadError
from opsbot.vitals.day import FleetDay

logger = logging.getLogger(__name__)

KEPT_S = 300.0
"""A chart is shown again for so long; the one before it is deleted then."""
MAX_ALT_TEXT = 2000
MAX_TITLE = 2000
Draw = Callable[[FleetDay], Awaitable[Picture | None]]


class DayChart:
    """Draws and uploads it."""

    def __init__(self, draw: Draw, uploader: Uploader, clock: Clock) -> None:
        self._draw = draw
        self._uploader = uploader
        self._clock = clock
        self._turn = asyncio.Lock()
        self._block: ImageBlock | None = None
        self._file_id: str | None = None
        self._made_at = 0.0

    async def blocks(self, day: FleetDay) -> Sequence[Block]:
        """The picture; none where it could not be drawn or uploaded, which is logged."""
        async with self._turn:
            if self._block is None or self._clock.monotonic() - self._made_at > KEPT_S:
                await self._renew(day)
            return [] if self._block is None else [self._block]

    async def _renew(self, day: FleetDay) -> None:
        picture = await self._draw(day)
        if picture is None:
            return
        try:
            file_id = await self._uploader.upload(picture.png, "fleet-day.png", picture.title, picture.alt_text)
        except UploadError as error:
            logger.warning("the chart of the day is not shown: %s", error)
            return
        before, self._file_id, self._made_at = self._file_id, file_id, self._clock.monotonic()
        self._block = ImageBlock(
            slack_file=SlackFile(id=file_id),
            alt_text=plain(picture.alt_text, MAX_ALT_TEXT) or "Chart of the fleet's day",
            title=PlainTextObject(text=plain(picture.title, MAX_TITLE), emoji=False),
        )
        if before is not None:
            await self._uploader.delete(before)
