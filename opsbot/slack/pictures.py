"""What incidents' messages show beside their text: numbers and a chart, renewed in the background.

A message never waits for them: it is sent with what is known, and edited once there is more. They are renewed when an
incident's state changes and every few minutes while it is open. An old chart's file is deleted once no message names
it. Everything is bounded: incidents remembered, pictures at once, tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.incident.view import IncidentView
from opsbot.slack.blocks import Message, incident_message
from opsbot.slack.buttons import block_id
from opsbot.slack.upload import Uploader, UploadError
from opsbot.slack.vital_lines import Number, Shown

logger = logging.getLogger(__name__)

RENEW_S = 180.0
"""While an incident is open its numbers and chart are at most so old."""
EACH_S = 6.0
"""With many open incidents they are renewed less often: at most ten edits a minute for all of them."""
SETTLE_S = 5.0
"""Changes closer together are shown by one picture; also how long Slack gets to digest a new file."""
TICK_S = 1.0
MOST_KEPT = 300
SIDE_BY_SIDE = 2
MOST_REFUSALS = 3
WITHIN_S = 20.0
"""To read the numbers and to draw; a source that takes longer is shown as nothing."""


class Picture(Protocol):
    """A drawn chart: a PNG, and what it shows in words."""

    @property
    def png(self) -> bytes: ...

    @property
    def alt_text(self) -> str: ...

    @property
    def title(self) -> str: ...


class Vitals(Protocol):
    """What is to be shown of an incident. May raise OpsbotError; then what was shown stays."""

    async def numbers(self, view: IncidentView) -> Sequence[Number]:
        """The two or three that matter; empty where nothing is known."""
        ...

    async def picture(self, view: IncidentView, now: float) -> Picture | None:
        """The chart; None where there is no data."""
        ...


@dataclass(slots=True)
class _Kept:
    shown: Shown = field(default_factory=Shown)
    state: object = None
    begun_at: float | None = None
    is_open: bool = True
    is_under_way: bool = False
    named: str | None = None
    """The file in the message as it stands."""
    old: list[str] = field(default_factory=list)
    refusals: int = 0
    digesting: Shown | None = None
    again_at: float = 0.0


class Pictures:
    """Numbers and charts of incidents' messages.

    Args:
        view: reads an incident; called in a thread; raises NotFoundError.
        show_again: wishes an incident's message edited; called in a thread.
    """

    def __init__(
        self,
        vitals: Vitals,
        uploader: Uploader,
        view: Callable[[str], IncidentView],
        show_again: Callable[[str], object],
        clock: Clock,
    ) -> None:
        self._vitals = vitals
        self._uploader = uploader
        self._view = view
        self._show_again = show_again
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turns = asyncio.Semaphore(SIDE_BY_SIDE)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def problem(self) -> str | None:
        """Why there are no charts, for the health page; None while there are."""
        return self._uploader.problem

    def knows(self, incident_id: str) -> bool:
        """Whether anything is remembered of the incident's message; not so after a restart."""
        return incident_id in self._kept

    def recall(self, incident_id: str, blocks: Sequence[Mapping[str, object]]) -> None:
        """Remember the chart that the message as it stands names, as an earlier process posted it."""
        kept = self._of(incident_id)
        wanted = block_id("chart", incident_id)
        for block in blocks:
            file = block.get("slack_file")
            if block.get("block_id") == wanted and isinstance(file, Mapping) and file.get("id"):
                kept.named = str(file["id"])
                kept.shown = Shown(file_id=kept.named, alt_text=str(block.get("alt_text") or ""))

    def message(self, view: IncidentView, now: float) -> Message:
        """The incident's message with what is known now."""
        kept = self._of(view.incident.incident_id)
        kept.is_open = not view.incident.is_resolved
        state = _state(view)
        if state != kept.state:
            # Not now: the delivery under way comes first, and more may change at once.
            kept.state, kept.again_at = state, self._clock.monotonic()
            if kept.begun_at is not None:
                kept.again_at = max(kept.again_at, kept.begun_at + SETTLE_S)
        return incident_message(view, now, kept.shown)

    def delivered(self, incident_id: str, file_id: str | None) -> None:
        """The message stands and names *file_id*: files that it named before are deleted, in the background."""
        kept = self._of(incident_id)
        if kept.named is not None and kept.named != file_id:
            kept.old.append(kept.named)
        kept.named = file_id
        if file_id is not None:
            kept.refusals = 0
        old = [one for one in kept.old if one not in (file_id, kept.shown.file_id)]
        kept.old.clear()
        for one in old:
            self._start(self._uploader.delete(one), f"delete the old chart of {incident_id}")

    def refused(self, incident_id: str) -> bool:
        """Slack took no message with the chart; answers whether there is one to leave out and try again without."""
        kept = self._of(incident_id)
        if kept.shown.file_id is None:
            return False
        kept.refusals += 1
        if kept.refusals < MOST_REFUSALS:
            kept.digesting = kept.shown
            kept.again_at = self._clock.monotonic() + SETTLE_S * kept.refusals
        else:
            logger.warning("Slack takes no chart of %s; its message goes without", incident_id)
            kept.old.append(kept.shown.file_id)
        kept.shown = replace(kept.shown, file_id=None)
        return True

    async def run(self) -> None:
        """Renew what is due, until cancelled."""
        try:
            while True:
                self._look()
                await asyncio.sleep(TICK_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look(self) -> None:
        now = self._clock.monotonic()
        # Each renewal is an edit, and edits that tell something new must not wait for them.
        every_s = max(RENEW_S, EACH_S * sum(kept.is_open for kept in self._kept.values()))
        for incident_id, kept in list(self._kept.items()):
            if kept.is_under_way:
                continue
            is_old = kept.is_open and kept.begun_at is not None and now - kept.begun_at >= every_s
            if is_old or (kept.again_at and now >= kept.again_at):
                kept.again_at, kept.is_under_way = 0.0, True
                self._start(self._renew(incident_id, kept), f"chart of {incident_id}")

    def _start(self, work: Coroutine[object, object, None], what: str) -> None:
        task = asyncio.create_task(work, name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renew(self, incident_id: str, kept: _Kept) -> None:
        try:
            async with self._turns:
                kept.begun_at = self._clock.monotonic()
                before = kept.shown
                if kept.digesting is not None:
                    kept.shown, kept.digesting = kept.digesting, None
                else:
                    kept.shown = await self._made(incident_id, kept)
                if kept.shown != before:
                    await asyncio.to_thread(self._show_again, incident_id)
        except OpsbotError as error:
            logger.warning("the numbers of %s are not renewed: %s", incident_id, error)
        except Exception:
            # A chart is not worth losing the others.
            logger.exception("the numbers of %s are not renewed", incident_id)
        finally:
            kept.is_under_way = False

    async def _made(self, incident_id: str, kept: _Kept) -> Shown:
        view = await asyncio.to_thread(self._view, incident_id)
        kept.is_open = not view.incident.is_resolved
        now, numbers, picture = self._clock.now(), kept.shown.numbers, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                numbers = await self._vitals.numbers(view)
                picture = await self._vitals.picture(view, now)
        shown = Shown(numbers, now if numbers else 0.0, kept.shown.file_id, kept.shown.alt_text, kept.shown.title)
        if picture is None:
            return shown
        try:
            file_id = await self._uploader.upload(picture.png, f"{incident_id}.png", picture.title, picture.alt_text)
        except UploadError as error:
            logger.info("the chart of %s is not renewed: %s", incident_id, error)
            return shown
        if kept.shown.file_id is not None and kept.shown.file_id != kept.named:
            kept.old.append(kept.shown.file_id)
        return replace(shown, file_id=file_id, alt_text=picture.alt_text, title=picture.title)

    def _of(self, incident_id: str) -> _Kept:
        kept = self._kept.get(incident_id)
        if kept is None:
            kept = self._kept[incident_id] = _Kept()
            while len(self._kept) > MOST_KEPT:
                # What is over goes first; its chart stays in its message.
                over = next((key for key, one in self._kept.items() if not one.is_open), next(iter(self._kept)))
                del self._kept[over]
        return kept


def _state(view: IncidentView) -> object:
    """What a chart is drawn anew for."""
    incident = view.incident
    return incident.state, incident.severity, incident.is_blind, tuple((run.run_id, run.state) for run in view.runs)
