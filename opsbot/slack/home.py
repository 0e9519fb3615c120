"""Shows the Home tab: when it is opened, after a press on it, and while people have it open and something changes.

Whoever opened it in the last half hour gets it anew when core has told something, at most every five seconds, and once
a minute for the fleet's numbers; what would look the same is not sent. Slack does not say when somebody leaves the tab.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.incident.restricted import ROLE, is_restricted
from opsbot.incident.view import HaltView, IncidentView
from opsbot.people import Person
from opsbot.slack.call import error_code
from opsbot.slack.home_view import AS_OF, Around, home_view
from opsbot.slack.press import Press
from opsbot.slack.restricted import for_everybody
from opsbot.slack.seat import Seat

logger = logging.getLogger(__name__)

OPEN_FOR_S = 1800.0
MOST_VIEWERS = 50
LEAST_PAUSE_S = 5.0
"""A tab that changes faster cannot be read; and Slack, "Rate limits": views.publish is in Tier 4."""
NUMBERS_EVERY_S = 60.0
WITHIN_S = 2.5
"""What cannot be read in that time is a gap that is said."""
T = TypeVar("T")


@dataclass(slots=True)
class _Viewer:
    opened_at: float
    shown: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """What all tabs are made of, read once."""

    incidents: tuple[IncidentView, ...]
    halt: HaltView | None
    around: Around
    now: float


async def refreshed(seat: Seat, press: Press, person: Person) -> str:
    """The button Refresh: whatever is pressed on the tab, it is shown anew."""
    return ""


class Home:
    """Shows the tab."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._viewers: OrderedDict[str, _Viewer] = OrderedDict()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def changed(self) -> None:
        """Something that the tab may show is another; may be called from any thread."""
        if self._viewers and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def show(self, client: AsyncWebClient, user_id: str, notice: str = "") -> None:
        """Publish the tab for one person."""
        # First, for a stranger's look at the user groups must not make what is shown older than it says.
        person = await self._seat.person(user_id)
        view = _view_for(person, await self._find(), notice)
        self._viewers.pop(user_id, None)
        self._viewers[user_id] = _Viewer(self._seat.clock.monotonic(), _look_of(view))
        while len(self._viewers) > MOST_VIEWERS:
            self._viewers.popitem(last=False)
        await client.views_publish(user_id=user_id, view=view)

    async def run(self, client: AsyncWebClient) -> None:
        """Show it anew to those who have it open, when something changes; until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NUMBERS_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.show_again(client)
            except Exception:
                # A tab that is not up to date must end neither the next look nor core.
                logger.exception("the Home tab is not shown anew")
            await asyncio.sleep(LEAST_PAUSE_S)

    async def show_again(self, client: AsyncWebClient) -> None:
        """Publish it to each who has it open and would see something else than before."""
        now = self._seat.clock.monotonic()
        for user_id in [one for one, viewer in self._viewers.items() if now - viewer.opened_at > OPEN_FOR_S]:
            del self._viewers[user_id]
        if not self._viewers:
            return
        found = await self._find()
        for user_id, viewer in list(self._viewers.items()):
            view = _view_for(self._seat.person_for(user_id), found, "")
            look = _look_of(view)
            if look == viewer.shown:
                continue
            try:
                await client.views_publish(user_id=user_id, view=view)
            except SlackApiError as error:
                logger.warning("the Home tab is not shown anew: %s", error_code(error))
                self._viewers.pop(user_id, None)
            except (aiohttp.ClientError, TimeoutError) as error:
                logger.warning("the Home tab is not shown anew: %s", type(error).__name__)
                return
            else:
                viewer.shown = look

    async def _find(self) -> _Found:
        seat, gaps = self._seat, list[str]()
        core = asyncio.gather(seat.incidents.open_incidents(), seat.runs.halt(), seat.runs.holds())
        others = asyncio.gather(
            _or_gap(seat.incidents.on_call(), "who is on call", gaps),
            _or_gap(_late(seat), "whether messages are late", gaps),
            _or_gap(seat.fleet.fleet(), "the fleet's numbers", gaps) if seat.fleet is not None else _nothing(),
            _or_gap(seat.fleet.before(), "the fleet's earlier numbers", gaps) if seat.fleet is not None else _nothing(),
        )
        (incidents, halt, holds), (turns, late, fleet, before) = await asyncio.gather(core, others)
        stop = None if halt is None else HaltView(halt.reason, halt.created_by, halt.created_at)
        around = Around(fleet, before, turns, tuple(holds), late, tuple(gaps))
        return _Found(incidents, stop, around, seat.clock.now())


def _view_for(person: Person, found: _Found, notice: str) -> View:
    incidents = found.incidents
    if not person.has(ROLE):
        incidents = tuple(for_everybody(view) for view in incidents if not is_restricted(view))
    return home_view(incidents, person, found.now, notice, found.halt, found.around)


def _look_of(view: View) -> str:
    """What tells one look of the tab from another; not when it was made."""
    blocks = [block for block in view.to_dict()["blocks"] if block.get("block_id") not in (AS_OF, "notice")]
    return hashlib.sha256(json.dumps(blocks, sort_keys=True).encode()).hexdigest()


async def _late(seat: Seat) -> str | None:
    lag = await asyncio.to_thread(seat.lag)
    return lag.sentence() if lag.is_late else None


async def _nothing() -> None:
    return None


async def _or_gap(reading: Awaitable[T], what: str, gaps: list[str]) -> T | None:
    try:
        async with asyncio.timeout(WITHIN_S):
            return await reading
    except TimeoutError:
        gaps.append(f"{what}: no answer within {WITHIN_S:g} s; Refresh asks again")
    except OpsbotError as error:
        gaps.append(f"{what}: {error}")
    return None
