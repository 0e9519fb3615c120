"""Asks about the trend of incidents whose alerts have ended, and ends or holds them by the answer.

A source that does not answer is no all-clear: the incident is held and says so, and is asked about again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from opsbot.alert.alert import Alert, Severity
from opsbot.alert.all_clear import Question, question_of
from opsbot.capacity.all_clear import Verdict, judge, step_s
from opsbot.clock import Clock
from opsbot.errors import OpsbotError, SourceError
from opsbot.incident.incident import Hold, HoldKind, Incident

AGAIN_S = 300.0
LETHAL: Severity = "high"
"""What an incident is at least while its trend is lethal, however quiet its alert has become."""
AGAIN_UNANSWERED_S = 30.0

logger = logging.getLogger(__name__)


class Series(Protocol):
    """One series over time."""

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def points(self) -> Sequence[tuple[float, float]]: ...


class History(Protocol):
    """Where the load of the past is asked for."""

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> Sequence[Series]:
        """The series that *text* yields; raises SourceError."""
        ...


class Incidents(Protocol):
    """What is needed of the store."""

    def awaiting_all_clear(self, now: float) -> Sequence[tuple[Incident, Sequence[Alert]]]: ...

    def answer_all_clear(self, incident_id: str, hold: Hold | None, note: str, now: float) -> None: ...


class TrendWatch:
    """Looks at each such incident every five minutes, until it may end."""

    def __init__(self, incidents: Incidents, history: History, clock: Clock, after_change: Callable[[], None]) -> None:
        self._incidents = incidents
        self._history = history
        self._clock = clock
        self._after_change = after_change

    async def look(self) -> None:
        """Judge every incident that is due."""
        for incident, alerts in await asyncio.to_thread(self._incidents.awaiting_all_clear, self._clock.now()):
            try:
                await self._look_at(incident, alerts)
            except OpsbotError:
                logger.exception("the trend of %s is looked at again later", incident.incident_id)

    async def _look_at(self, incident: Incident, alerts: Sequence[Alert]) -> None:
        now = self._clock.now()
        try:
            verdicts = await self._verdicts(alerts, now)
        except SourceError as error:
            logger.warning("whether %s is over cannot be told: %s", incident.incident_id, error)
            reason = "No longer fires. Whether that is an all-clear cannot be told: the metrics source does not answer"
            await self._answer(incident, Hold(HoldKind.TREND, reason, now + AGAIN_UNANSWERED_S), "")
            return
        lethal = [verdict for verdict in verdicts if not verdict.is_clear]
        if lethal:
            soonest = min(lethal, key=lambda verdict: verdict.meets_at or now)
            await self._answer(incident, Hold(HoldKind.TREND, soonest.reason, now + AGAIN_S, LETHAL), "")
        else:
            await self._answer(incident, None, verdicts[0].reason if verdicts else "")

    async def _verdicts(self, alerts: Sequence[Alert], now: float) -> list[Verdict]:
        """One for each question and place; several alerts of a cluster ask the same."""
        places: dict[tuple[Question, str], Alert] = {}
        for alert in alerts:
            if (question := question_of(alert)) is not None:
                places.setdefault((question, alert.labels.get("cluster", alert.fingerprint)), alert)
        found: dict[Question, Sequence[Series]] = {}
        verdicts: list[Verdict] = []
        for (question, _), alert in places.items():
            if question not in found:
                end = float(int(now))
                found[question] = await self._history.query_range(
                    question.expr, end - question.look_back_s, end, step_s(question)
                )
            series = [(one.labels, one.points) for one in found[question]]
            verdicts.append(await asyncio.to_thread(judge, series, alert.labels, question, now))
        return verdicts

    async def _answer(self, incident: Incident, hold: Hold | None, note: str) -> None:
        await asyncio.to_thread(self._incidents.answer_all_clear, incident.incident_id, hold, note, self._clock.now())
        self._after_change()
