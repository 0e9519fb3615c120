"""Alerts to incidents, pages and runs, as core makes them: its own incident store, over a database that is thrown away.

Nobody acknowledges anything, nobody silences anything, and the end of an alert is taken for an all-clear: the trend
behind an `all_clear` is not asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from opsbot.alert.alert import Alert, AlertState, Severity
from opsbot.alert.policy import AlertPolicy
from opsbot.alert.record import AlertRecord, Hiding
from opsbot.backtest.finding import Episode, Start
from opsbot.backtest.starting import Started, admission
from opsbot.incident.tracker import is_blind
from opsbot.labels import fingerprint
from opsbot.runbook.model import Runbook
from opsbot.runbook.select import select
from opsbot.store import alerts
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository, Ingested
from opsbot.store.rows import incident_number

IN_MEMORY = "sqlite://"
_Key = tuple[str, float]
"""An alert's fingerprint, and when it began to fire."""
MAX_EPISODES = 20_000
"""Of one backtest; a rule that makes more is too noisy to be listed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A run that waits to start, *place* among those that its alert asked for."""

    episode: _Key
    place: int
    runbook: Runbook
    cluster: str
    incident: int


class TooManyError(Exception):
    """There are more episodes than are kept."""


@dataclass(slots=True)
class Judge:
    """Takes the alerts of each instant, in order.

    Args:
        paged: severities that wake somebody.
    """

    policy: AlertPolicy
    runbooks: Sequence[Runbook]
    paged: Collection[Severity]
    max_episodes: int = MAX_EPISODES
    num_incidents: int = 0
    num_untold_trends: int = 0
    """Incidents whose end would have waited for a look at a trend."""
    _database: Database = field(init=False)
    _incidents: IncidentRepository = field(init=False)
    _over: list[Episode] = field(default_factory=list)
    _firing: dict[str, Episode] = field(default_factory=dict)
    _unplaced: set[str] = field(default_factory=set)
    _open: dict[int, bool] = field(default_factory=dict)
    """Incidents that are not over, and whether somebody was woken for each."""
    _started: dict[tuple[str, str], list[Started]] = field(default_factory=dict)
    _starts: dict[_Key, list[Start]] = field(default_factory=dict)
    _waiting: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._database = Database(IN_MEMORY)
        self._incidents = IncidentRepository(self._database, self.policy)

    def close(self) -> None:
        """Throw the database away."""
        self._database.close()

    @property
    def episodes(self) -> list[Episode]:
        """All so far, in the order in which they began."""
        found = [replace(one, starts=tuple(self._starts.get(_key(one), ()))) for one in self._over]
        found += [replace(one, starts=tuple(self._starts.get(_key(one), ()))) for one in self._firing.values()]
        return sorted(found, key=lambda one: (one.begins_at, one.name))

    def take(self, told: Sequence[Alert], now: float, step_s: float) -> None:
        """What an evaluation at *now*, *step_s* after the last one, has told.

        Raises: TooManyError.
        """
        firing = {alert.fingerprint: alert for alert in told if alert.state is AlertState.FIRING}
        ended = [a for a in told if a.state is AlertState.RESOLVED and a.fingerprint in self._firing]
        for mark, episode in self._firing.items():
            known = firing.get(mark)
            # What is not told of at all was not evaluated: nothing is known of it either.
            if episode.begins_at < now and (is_blind(known) if known is not None else mark not in _marks(ended)):
                self._firing[mark] = replace(episode, blind_s=episode.blind_s + step_s)
        began = [alert for mark, alert in firing.items() if mark not in self._firing]
        for alert in ended:
            self._over.append(replace(self._firing.pop(alert.fingerprint), ends_at=alert.ends_at or now))
            self._unplaced.discard(alert.fingerprint)
        for alert in began:
            self._firing[alert.fingerprint] = Episode(alert.name, alert.labels, alert.severity, alert.starts_at, None)
            self._unplaced.add(alert.fingerprint)
        if began or ended:
            self._apply(self._incidents.ingest([*ended, *began], now, lambda alert: []), now)
        if self._open or self._unplaced:
            self._apply(self._incidents.review(now, lambda alert: []), now)
        self._tell_trends(now)
        self._start_waiting(now)
        if len(self._over) + len(self._firing) > self.max_episodes:
            raise TooManyError

    def _apply(self, done: Ingested, now: float) -> None:
        for incident_id in done.opened:
            self._open[incident_number(incident_id)] = False
            self.num_incidents += 1
        self._place(now)
        for incident_id in done.resolved:
            self._open.pop(incident_number(incident_id), None)

    def _place(self, now: float) -> None:
        """Find out where the alerts went that belonged nowhere yet, and what that sets off."""
        if not self._unplaced:
            return
        with self._database.read() as connection:
            records = [alerts.newest(connection, mark) for mark in sorted(self._unplaced)]
        for record in sorted((one for one in records if one is not None), key=lambda one: one.number):
            episode = self._firing[record.fingerprint]
            if record.incident_id is None:
                self._firing[record.fingerprint] = replace(episode, hidden=self._why_hidden(record))
                continue
            self._unplaced.discard(record.fingerprint)
            incident, number = self._incidents.incident(record.incident_id), incident_number(record.incident_id)
            wakes = incident.severity in self.paged and not self._open.get(number, False)
            if wakes and not incident.is_resolved:
                self._open[number] = True
            self._firing[record.fingerprint] = replace(
                episode,
                incident=number,
                hidden="",
                paged_at=now if wakes else None,
            )
            for place, runbook in enumerate(select(record.alert, self.runbooks)):
                cluster = record.labels.get("cluster", "")
                self._start(_Waiting(_key(episode), place, runbook, cluster, number), now)

    def _start(self, one: _Waiting, now: float) -> None:
        """Start a run if it may, and note why not if it may not yet or at all."""
        own = self._started.setdefault((one.runbook.runbook_id, one.cluster), [])
        own[:] = [replace(run, is_under_way=run.is_under_way and run.incident in self._open) for run in own]
        found = admission(one.runbook, one.cluster, one.incident, own, now)
        start = Start(now, one.runbook.runbook_id, one.runbook.mode, found.reason)
        starts = self._starts.setdefault(one.episode, [])
        if one.place == len(starts):
            starts.append(start)
        elif not found.reason:
            starts[one.place] = start
        if found.verdict == "start":
            if found.replaced:
                own[:] = [replace(run, is_under_way=False) for run in own]
            own.append(Started(now, one.runbook.runbook_id, one.cluster, one.incident, True))
        elif found.verdict == "wait":
            self._waiting.append(one)

    def _start_waiting(self, now: float) -> None:
        """Look again at what waits; a run does not start once its incident has ended."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.incident in self._open:
                self._start(one, now)

    def _why_hidden(self, record: AlertRecord) -> str:
        match record.hiding:
            case Hiding.INHIBITION:
                source = self._firing.get(record.hidden_by or "")
                return f"hidden while {source.name if source is not None else 'another alert'} fires"
            case Hiding.GROUP_WAIT:
                return "waits for others of its group"
            case _:
                return "hidden"

    def _tell_trends(self, now: float) -> None:
        if not self._open:
            return
        for incident, _ in self._incidents.awaiting_all_clear(now):
            self._incidents.answer_all_clear(incident.incident_id, None, "", now)
            self._open.pop(incident_number(incident.incident_id), None)
            self.num_untold_trends += 1


def _marks(told: Sequence[Alert]) -> set[str]:
    return {alert.fingerprint for alert in told}


def _key(episode: Episode) -> _Key:
    return fingerprint(episode.labels), episode.begins_at
