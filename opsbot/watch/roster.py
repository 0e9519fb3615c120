"""The targets in force: those of the settings, and those of lists that change, each with its scraper.

A target that leaves its list goes stale at once, as in Prometheus; one that stays keeps its scraper and its health.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from opsbot.promql.labelset import Labels, freeze
from opsbot.source.discovery import Discovery
from opsbot.source.scrape import Scraper, Target
from opsbot.watch.departed import Departed

EVERY_S = 5.0
"""Between two looks at the lists."""

_Key = tuple[str, Labels]

logger = logging.getLogger(__name__)


class Roster:
    """Keeps `scrapers`, a list that others may hold on to."""

    def __init__(
        self, fixed: Sequence[Target], discoveries: Sequence[Discovery], make: Callable[[Target], Scraper]
    ) -> None:
        self.scrapers: list[Scraper] = []
        self.discoveries = discoveries
        self._fixed = fixed
        self._make = make
        self._told: set[_Key] = set()
        self.departed = Departed()
        self._before: set[Labels] = set()
        """Targets from before a restart that no list has named since."""
        self.update()

    async def run(self) -> None:
        """Look at the lists until cancelled."""
        while self.discoveries:
            await self.refresh()
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """Look at each list, then go by what they say."""
        await asyncio.gather(*(discovery.refresh() for discovery in self.discoveries))
        self.update()

    def take_up(self, before: Iterable[Labels]) -> None:
        """Targets from before a restart: those that no list names are gone. While a list cannot be read they may be
        in it.
        """
        self._before = set(before)
        self.update()

    def update(self) -> None:
        """Begin with what is new and end with what is gone."""
        wanted: dict[Labels, Target] = {}
        for target in (*self._fixed, *(one for discovery in self.discoveries for one in discovery.targets)):
            first = wanted.setdefault(freeze(target.labels), target)
            if first.url != target.url and _key(target) not in self._told:
                self._told.add(_key(target))
                logger.error(
                    "%s is not scraped: %s has the same labels, so their samples could not be told apart; "
                    "give one of them another `cluster` or `instance`",
                    target.url,
                    first.url,
                )
        known = {_key(scraper.target): scraper for scraper in self.scrapers}
        keys = {_key(target) for target in wanted.values()}
        # What is gone goes first: what takes its place may have its labels.
        for key, scraper in known.items():
            if key not in keys:
                scraper.retire()
        gone = {freeze(scraper.target.labels) for key, scraper in known.items() if key not in keys}
        if all(discovery.health.word == "up" for discovery in self.discoveries):
            gone |= self._before
            self._before = set()
        self.departed.update(gone - wanted.keys(), (target.labels for target in wanted.values()))
        self.scrapers[:] = [known.get(_key(target)) or self._make(target) for target in wanted.values()]


def _key(target: Target) -> _Key:
    return target.url, freeze(target.labels)
