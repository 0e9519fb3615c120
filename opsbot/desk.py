"""What people can do with incidents, whatever door they use: where those rights are checked and the timeline says who.

Implements `IncidentCommands` for Slack and the web API, and accepts alerts for the alert door; `opsbot.run_desk` has
what people do with runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from opsbot.alert.alert import Alert
from opsbot.alert.inbound import InboundEvent
from opsbot.alert.matching import label_match
from opsbot.alert.policy import AlertPolicy
from opsbot.alert.silence import Silence, check_silence
from opsbot.clock import Clock, to_minute
from opsbot.errors import ConfigError
from opsbot.incident.explanation import Explanation
from opsbot.incident.incident import IncidentState
from opsbot.incident.note import QuotedMessage, check_note
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.oncall.model import Rota
from opsbot.oncall.turn import Turn, turn
from opsbot.people import Person
from opsbot.rights import require
from opsbot.store.inbound import Claim, IngestedEvents
from opsbot.store.incidents import Ingested, Keep
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun


class Runs(Protocol):
    """What the desk needs of the executor."""

    def wake(self) -> None:
        """Look for queued runs now."""
        ...


class Desk:
    """Alerts and people come here."""

    def __init__(
        self,
        repositories: Repositories,
        executor: Runs,
        policy: AlertPolicy,
        select_runbooks: Callable[[Alert], Sequence[RunbookToRun]],
        wake_outbox: Callable[[], None],
        clock: Clock,
        rota: Callable[[], Rota] = Rota,
    ) -> None:
        self._incidents = repositories.incidents
        self._handling = repositories.handling
        self._silences = repositories.silences
        self._views = repositories.views
        self._notes = repositories.notes
        self._executor = executor
        self._policy = policy
        self._select_runbooks = select_runbooks
        self._wake_outbox = wake_outbox
        self._clock = clock
        self._escalations = repositories.escalations
        self._rota = rota

    async def ingest(self, alerts: Sequence[Alert], keep: Keep | None = None) -> Ingested:
        """Accept alerts durably; raises StoreError having accepted nothing."""
        done = await asyncio.to_thread(self._incidents.ingest, alerts, self._clock.now(), self._select_runbooks, keep)
        if done.runs:
            self._executor.wake()
        self._wake_outbox()
        return done

    async def ingest_events(self, receiver: str, events: Sequence[InboundEvent]) -> IngestedEvents:
        """Accept the alerts of a webhook durably, each event id once; raises StoreError having accepted nothing."""
        claim = Claim(receiver, events, self._clock.now())
        done = await self.ingest([event.alert for event in events], claim)
        return IngestedEvents(done.opened, claim.num_duplicates)

    async def explain(self, about: str) -> Explanation:
        """What was decided about an incident, an alert's name or a fingerprint; raises NotFoundError."""
        return await asyncio.to_thread(self._incidents.explain, about)

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        """Take the incident; answers one sentence for the person."""
        require(person, "responder", "acknowledge an incident")
        incident = await asyncio.to_thread(self._incidents.incident, incident_id)
        if incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_by == person.user_id:
            if await asyncio.to_thread(self._incidents.acknowledge_again, incident.incident_id):
                self._wake_outbox()
                return f"{incident.incident_id} is yours still; the pager is told again."
            return f"{incident.incident_id} is yours already."
        now = self._clock.now()
        before = incident.acknowledged_by
        # Whoever takes it over may have had it before; a first taking is one fact, however often it is pressed.
        suffix = "" if before is None else f":{now:.3f}"
        note = TimelineEntry(
            f"{incident.incident_id}:acknowledged:{person.user_id}{suffix}",
            incident.incident_id,
            now,
            person.user_id,
            "incident.acknowledged",
            "Acknowledged" if before in (None, person.user_id) else f"Taken over from {before}",
            # Whoever else was woken may sleep on.
            is_broadcast=True,
            via=person.via,
        )
        await asyncio.to_thread(
            self._incidents.move,
            incident.incident_id,
            IncidentState.ACKNOWLEDGED,
            now,
            note=note,
            user_id=person.user_id,
        )
        self._wake_outbox()
        return f"{incident.incident_id} is yours."

    async def resolve(self, incident_id: str, reason: str, person: Person) -> str:
        """End an incident by hand; answers one sentence for the person."""
        require(person, "responder", "resolve an incident")
        if not reason.strip():
            raise ConfigError(f"say why {incident_id} is over: the next reader was not there")
        ended = await asyncio.to_thread(self._handling.resolve, incident_id, person, reason.strip(), self._clock.now())
        self._executor.wake()
        self._wake_outbox()
        return f"{ended.incident_id} is resolved; what its runs held is released."

    async def merge(self, incident_id: str, into: str, person: Person) -> str:
        """Deal with an incident under another; answers one sentence for the person."""
        require(person, "responder", "merge incidents")
        kept = await asyncio.to_thread(self._handling.merge, incident_id, into, person, self._clock.now())
        self._wake_outbox()
        name = incident_id.upper()
        return f"{name} is dealt with under {kept.incident_id} and ends with it; `unmerge {name}` takes it back."

    async def take_apart(self, incident_id: str, person: Person) -> str:
        """Undo a merge; answers one sentence for the person."""
        require(person, "responder", "take incidents apart")
        own = await asyncio.to_thread(self._handling.take_apart, incident_id, person, self._clock.now())
        self._wake_outbox()
        return f"{own.incident_id} is dealt with by itself again."

    async def link(self, incident_id: str, other: str, reason: str, person: Person) -> str:
        """Link two incidents; answers one sentence for the person."""
        require(person, "responder", "link incidents")
        is_new = await asyncio.to_thread(
            self._handling.link, incident_id, other, person, reason.strip() or "related", self._clock.now()
        )
        self._wake_outbox()
        return f"{incident_id.upper()} and {other.upper()} are linked" + ("." if is_new else " already.")

    async def add_note(self, incident_id: str, words: str, person: Person, request_id: str) -> str:
        """Add the person's words to the timeline; answers one sentence for the person."""
        require(person, "responder", "add to a timeline")
        kept = check_note(words, incident_id)
        incident = await asyncio.to_thread(self._notes.add, incident_id, kept, person, request_id, self._clock.now())
        self._wake_outbox()
        return f"Noted in {incident.incident_id}'s timeline."

    async def quote(self, incident_id: str, message: QuotedMessage, person: Person) -> str:
        """Add somebody's message to the timeline, once; answers one sentence for the person."""
        require(person, "responder", "add to a timeline")
        incident, is_new = await asyncio.to_thread(self._notes.quote, incident_id, message, person, self._clock.now())
        self._wake_outbox()
        name = incident.incident_id
        return f"Added to {name}'s timeline." if is_new else f"That message is in {name}'s timeline already."

    async def unquote(self, place: str, person: Person) -> str:
        """Say in each timeline that has a message that it is taken off; empty if none has it."""
        names = await asyncio.to_thread(self._notes.quoting, place)
        if not names:
            return ""
        require(person, "responder", "take a message off a timeline")
        done = []
        for name in names:
            _, was_there = await asyncio.to_thread(self._notes.unquote, name, place, person, self._clock.now())
            done += [name] if was_there else []
        self._wake_outbox()
        if not done:
            return ""
        return f"{', '.join(done)}: the timeline says that the message is taken off again; the entry itself stays."

    async def incident_at(self, channel: str, ts: str) -> str | None:
        """The incident that the message there is ours about; None for anybody else's."""
        return await asyncio.to_thread(self._notes.incident_at, channel, ts)

    async def silence(
        self, matchers: Sequence[str], length_s: float, reason: str, person: Person, request_id: str | None = None
    ) -> str:
        """Let matching alerts open nothing for a time; answers one sentence for the person."""
        require(person, "responder", "silence alerts")
        match = label_match(matchers)
        check_silence(length_s, reason, self._policy.max_silence_s)
        now = self._clock.now()
        silence = await asyncio.to_thread(
            self._silences.add, match, reason.strip(), person.user_id, now, now + length_s, request_id
        )
        name, until = silence.silence_id, to_minute(silence.ends_at, now)
        answer = f"{name} hides new alerts with {match} until {until}; `unsilence {name}` ends it."
        open_already = [
            view.incident.incident_id
            for view in await self.open_incidents()
            if any(alert.is_firing and match.holds(alert.labels) for alert in view.alerts)
        ]
        if open_already:
            answer += f" {', '.join(open_already)} is open already and stays so; `resolve` can end it now."
        return answer

    async def end_silence(self, silence_id: str, person: Person) -> str:
        """End a silence before its time; answers one sentence for the person."""
        require(person, "responder", "end a silence")
        ended = await asyncio.to_thread(self._silences.end, silence_id, person.user_id, self._clock.now())
        await self.review()
        hid = f"{ended.num_hidden} alert{'' if ended.num_hidden == 1 else 's'}"
        return f"{ended.silence_id} is over; it hid {hid}. What of it still fires opens an incident now."

    async def silences(self) -> tuple[Silence, ...]:
        """Every silence that is live, newest first."""
        return await asyncio.to_thread(self._silences.silences, self._clock.now())

    async def review(self) -> None:
        """Look again at what was put off: waits, silences and inhibitions that are over, holds whose time has come."""
        done = await asyncio.to_thread(self._incidents.review, self._clock.now(), self._select_runbooks)
        if done.runs:
            self._executor.wake()
        warned = await asyncio.to_thread(self._silences.warn, self._clock.now(), self._policy.silence_warning_s)
        if done.opened or done.resolved or warned:
            self._wake_outbox()

    async def note(self, entry: TimelineEntry) -> None:
        """Write a timeline entry, once for each key."""
        await asyncio.to_thread(self._incidents.add_entry, entry)
        self._wake_outbox()

    async def escalate(self) -> None:
        """Wake whoever is due to be woken, and nobody where somebody answered."""
        if await asyncio.to_thread(self._escalations.review, self._clock.now()):
            self._wake_outbox()

    async def on_call(self) -> tuple[Turn, ...]:
        """Who is on call now, one for each schedule."""
        now = self._clock.now()
        return tuple(turn(schedule, now) for schedule in self._rota().schedules)

    async def open_incidents(self) -> tuple[IncidentView, ...]:
        """Every incident that is not resolved, newest first."""
        return await asyncio.to_thread(self._views.views, include_resolved=False)

    async def all_incidents(self) -> tuple[IncidentView, ...]:
        """The newest incidents, resolved ones too."""
        return await asyncio.to_thread(self._views.views, include_resolved=True)

    async def incident(self, incident_id: str) -> IncidentView:
        """One incident; raises NotFoundError."""
        return await asyncio.to_thread(self._views.view, incident_id)

    def firing(self) -> tuple[Alert, ...]:
        """The alerts behind every incident that is not resolved."""
        return self._incidents.firing()
