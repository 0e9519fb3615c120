"""Reads the vitals of the whole fleet: a few queries however many clusters there are, within a deadline, once for all
who ask at the same time.

What cannot be asked in time is missing and said to be; nothing is guessed, and nothing raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from opsbot.capacity.grid import Element
from opsbot.capacity.hardware import Figures
from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.vitals import leases as control
from opsbot.vitals.gather import sorted_out, vitals_of
from opsbot.vitals.leases import FLEET, Found, Leases
from opsbot.vitals.question import LOAD, PAST, QUESTIONS
from opsbot.vitals.remembered import Remembered
from opsbot.vitals.vitals import Fleet

DEADLINE_S = 2.0
"""For everything; a slower source leaves gaps rather than an empty page."""
KEPT_S = 3.0
PAST_KEPT_S = 30.0
MOST_NAMED = 3
BEFORE_S = 600.0
"""How long ago figures are compared with."""


class Source(Protocol):
    """A Prometheus API; raises SourceError when it does not answer."""

    async def query(self, text: str) -> Sequence[Element]: ...

    async def query_at(self, text: str, at_s: float) -> Sequence[Element]: ...


class VitalsReader:
    """Reads the fleet.

    Args:
        figures: what the settings say of the hardware.
        clusters: names that are shown even while nothing is known of them.
        leases: where emergency settings are asked for; None where no control API is configured.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        figures: Figures,
        clusters: Sequence[str],
        leases: Leases | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._source, self._clock, self._figures = source, clock, figures
        self._clusters, self._leases, self._deadline_s = tuple(clusters), leases, deadline_s
        self._now = Remembered(self._read, kept_s, clock)
        self._before = Remembered(self._read_before, PAST_KEPT_S, clock)

    async def fleet(self) -> Fleet:
        """Every cluster now, at most *kept_s* old. Never raises."""
        return await self._now.get()

    async def before(self) -> Fleet:
        """Every cluster BEFORE_S ago, as far as figures need it; without leases and shares. Never raises."""
        return await self._before.get()

    async def _read(self) -> Fleet:
        ends_at = self._clock.monotonic() + self._deadline_s
        fleet = await self._ask(tuple(QUESTIONS), None, self._deadline_s)
        return await self._with_leases(fleet, ends_at - self._clock.monotonic())

    async def _read_before(self) -> Fleet:
        return await self._ask(PAST, float(int(self._clock.now() - BEFORE_S)), self._deadline_s)

    async def _ask(self, names: Sequence[str], at_s: float | None, within_s: float) -> Fleet:
        tasks = {name: asyncio.create_task(self._one(QUESTIONS[name], at_s)) for name in names}
        try:
            await asyncio.wait(tasks.values(), timeout=within_s)
        finally:
            for task in tasks.values():
                task.cancel()
        missing: dict[str, list[str]] = {}
        elements: list[Element] = []
        for name, task in tasks.items():
            answer = task.result() if task.done() and not task.cancelled() else f"no answer within {within_s:g} s"
            if isinstance(answer, str):
                missing.setdefault(answer, []).append(name)
            else:
                elements += answer
        now = self._clock.now() if at_s is None else at_s
        found = vitals_of(sorted_out(elements), now, self._figures, self._clusters)
        return Fleet(now, found, None, tuple(f"{_listed(what)}: {why}" for why, what in missing.items()))

    async def _one(self, text: str, at_s: float | None) -> Sequence[Element] | str:
        try:
            return await (self._source.query(text) if at_s is None else self._source.query_at(text, at_s))
        except OpsbotError as error:
            return str(error).replace(f"`{text}`", "the query")

    async def _with_leases(self, fleet: Fleet, within_s: float) -> Fleet:
        if self._leases is None:
            return fleet
        unsure = [name for name in self._clusters if fleet.clusters[name].leases is None]
        places = [*unsure, *([FLEET] if self._leases.has_fleet else [])]
        found: Mapping[str, Found]
        try:
            async with asyncio.timeout(max(0.1, within_s)):
                found = await control.ask(self._leases, places)
        except TimeoutError:
            found = dict.fromkeys(places, f"no answer within {self._deadline_s:g} s")
        known = {place: own for place, own in found.items() if not isinstance(own, str)}
        unknown = {place: why for place, why in found.items() if isinstance(why, str)}
        clusters = {
            name: replace(one, leases=known[name]) if name in known else one for name, one in fleet.clusters.items()
        }
        return replace(
            fleet,
            clusters=clusters,
            leases=known.get(FLEET) if self._leases.has_fleet else (),
            missing=(*fleet.missing, *_without_leases(unknown)),
        )


def _without_leases(unknown: Mapping[str, str]) -> Sequence[str]:
    """One sentence, with the first reason: of many clusters it is mostly the same."""
    if not unknown:
        return ()
    names = ["the fleet" if place == FLEET else place for place in unknown]
    others = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return (f"leases of {', '.join(names[:MOST_NAMED])}{others}: {next(iter(unknown.values()))}",)


def _listed(names: Sequence[str]) -> str:
    return "all numbers" if LOAD in names and len(names) > 2 else " and ".join(names)
