"""One transaction that alerts make: each finds its incident, or the reason why it opens none.

What is decided is written down beside what it changes, so that "why was I (not) paged?" has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, and_, desc, insert, select

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.all_clear import question_of
from opsbot.alert.policy import AlertPolicy
from opsbot.alert.record import AlertRecord, Hiding
from opsbot.alert.silence import Silence
from opsbot.incident import tracker
from opsbot.incident.incident import Hold, HoldKind, Incident, IncidentState
from opsbot.incident.tracker import Changes, Note
from opsbot.store import alerts, schema
from opsbot.store.incident_rows import insert_incident, link, save_incident
from opsbot.store.rows import (
    get_incident,
    incident_id,
    incident_number,
    to_incident,
    wish_incident,
    wish_page,
    write_entry,
)
from opsbot.store.run_queue import RunbookToRun, queue_runs
from opsbot.store.silences import count_hidden, live_silences
from opsbot.yamlfile import format_duration

LINKED_WITHIN_S = 24 * 3600.0
"""An incident whose group had another one that recently is linked with it."""


OnOpened = Callable[[Connection, Incident, float], None]
"""Told of each new incident inside the transaction that opens it, with the time."""


@dataclass(slots=True)
class Intake:
    """Works on one transaction; `opened`, `resolved` and `runs` say what came of it."""

    connection: Connection
    policy: AlertPolicy
    now: float
    select_runbooks: Callable[[Alert], Sequence[RunbookToRun]]
    on_opened: OnOpened | None = None
    opened: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    _silences: Sequence[Silence] | None = None
    _sources: list[tuple[str, Mapping[str, str]]] | None = None

    def accept(self, alert: Alert) -> None:
        """Take one alert with everything that follows from it."""
        known = alerts.newest(self.connection, alert.fingerprint)
        match alert.state:
            case AlertState.FIRING:
                self._fires(alert, known)
            case AlertState.RESOLVED:
                self._is_over(alert, known)
            case _:
                self._decide(alert, "alert.ignored", "pending alerts open nothing")

    def review(self) -> None:
        """Look again at what was put off: hidden alerts whose reason is gone, and holds whose time has come."""
        for record in alerts.hidden(self.connection):
            if not self._is_still_hidden(record):
                self._place(record, has_waited=record.hiding is Hiding.GROUP_WAIT)
        for row in self.connection.execute(
            select(schema.incident).where(
                schema.incident.c.hold_kind == HoldKind.FLAPPING.value,
                schema.incident.c.hold_until <= self.now,
                schema.incident.c.state != IncidentState.RESOLVED.value,
            )
        ).all():
            self._settle(to_incident(row), may_flap=False)

    def settle(self, incident: Incident, note: str = "") -> None:
        """Nothing of *incident* fires any more, and nothing holds it (*note* may say why): it ends."""
        self._apply(self._lead(incident), tracker.ended(incident, self._name(incident), self.now, note))
        self.end_merged(incident)

    def hold(self, incident: Incident, hold: Hold) -> None:
        """Nothing of *incident* fires any more, and *hold* says why it stays open."""
        self._apply(self._lead(incident), tracker.held(incident, hold, self.now))

    # -- arrivals

    def _fires(self, alert: Alert, known: AlertRecord | None) -> None:
        if known is not None and known.is_firing:
            self._refresh(alert, known)
            return
        if known is not None and alert.starts_at <= known.starts_at:
            reason = f"a late duplicate of episode {known.episode}, which is over"
            self._decide(alert, "alert.dropped", reason)
            return
        episode = 1 if known is None else known.episode + 1
        self._place(alerts.add(self.connection, alert, episode, self.now))

    def _refresh(self, alert: Alert, known: AlertRecord) -> None:
        was_blind, is_blind = known.is_blind, tracker.is_blind(alert)
        if known.value == alert.value and was_blind == is_blind:
            return
        alerts.refresh(self.connection, known, alert)
        if known.incident_id is None:
            return
        incident = self._incident(known.incident_id)
        if was_blind == is_blind:
            is_blind_now = incident.is_blind
        else:
            is_blind_now = alerts.is_any_blind(self.connection, incident_number(incident.incident_id))
        self._apply(alert, tracker.refreshed(alert, incident, self.now, is_blind_now=is_blind_now))

    def _is_over(self, alert: Alert, known: AlertRecord | None) -> None:
        if known is None or not known.is_firing:
            self._decide(alert, "alert.dropped", "resolved, but no incident of it is open")
            return
        known = alerts.end(self.connection, known, alert.ends_at if alert.ends_at is not None else self.now)
        if known.incident_id is None:
            self._decide(alert, "alert.over", f"it has ended while it was hidden ({_why(known)}); nobody was told")
            return
        incident = self._incident(known.incident_id)
        if incident.is_resolved:
            self._decide(alert, "alert.over", f"{incident.incident_id} had been resolved before")
            return
        changes = tracker.left(known.alert, incident, self.now, tracker.why_ended(alert))
        self._apply(alert, changes)
        if changes.incident is not None and not changes.incident.num_firing:
            self._settle(changes.incident, note=tracker.why_ended(alert))

    # -- where an alert belongs

    def _place(self, record: AlertRecord, *, has_waited: bool = False) -> None:
        """Attach a firing alert to an incident, open one for it, or hide it."""
        alert = record.alert
        silence = next((one for one in self._live_silences() if one.match.holds(record.labels)), None)
        if silence is not None:
            alerts.hide(self.connection, record, Hiding.SILENCE, by=silence.silence_id)
            count_hidden(self.connection, silence.silence_id)
            reason = f"hidden by {silence.silence_id} of {silence.created_by}: {silence.reason}"
            self._decide(alert, "alert.silenced", reason)
            return
        others = (source for source in self._firing() if source[0] != record.fingerprint)
        source = self.policy.inhibitor(record.labels, others)
        if source is not None:
            alerts.hide(self.connection, record, Hiding.INHIBITION, by=source)
            labels = dict(self._firing())[source]
            where = f" on {labels['cluster']}" if "cluster" in labels else ""
            reason = f"hidden while {labels.get('alertname', source)} fires{where}"
            self._decide(alert, "alert.inhibited", reason)
            return
        grouping = self.policy.grouping(record.labels)
        group = grouping.key(record.labels)
        known, episode = self._newest(group)
        if known is None and self._is_storm(alert):
            group = self.policy.storm.key(alert.name)
            known, episode = self._newest(group)
        if known is not None:
            self._attach(record, tracker.joined(alert, known, self.now))
        elif grouping.group_wait_s and not has_waited:
            alerts.hide(
                self.connection,
                record,
                Hiding.GROUP_WAIT,
                by=group,
                until=self._wait_until(group, grouping.group_wait_s),
            )
            reason = f"waits up to {format_duration(grouping.group_wait_s)} for others of its group"
            self._decide(alert, "alert.waiting", reason)
        else:
            self._attach(record, tracker.opened(alert, group, episode + 1, self.now))

    def _attach(self, record: AlertRecord, changes: Changes) -> None:
        is_new = changes.incident is not None and not changes.incident.incident_id
        incident = self._apply(record.alert, changes, starts_at=record.starts_at if is_new else None)
        assert incident is not None
        alerts.attach(self.connection, record, incident.incident_id)
        if is_new:
            self.opened.append(incident.incident_id)
            if self.policy.is_paging:
                wish_page(self.connection, incident_number(incident.incident_id))
            self._link_earlier(incident)
            if self.on_opened is not None:
                self.on_opened(self.connection, incident, self.now)
        runbooks = self.select_runbooks(record.alert)
        self.runs += queue_runs(self.connection, record, incident, runbooks, self.now)

    def _is_storm(self, alert: Alert) -> bool:
        """Whether so many incidents of that name opened just now that one more would tell nobody anything."""
        storm = self.policy.storm
        return alerts.num_incidents(self.connection, alert.name, self.now - storm.window_s) >= storm.count

    def _wait_until(self, group: str, wait_s: float) -> float:
        waiting = [r.hidden_until for r in alerts.hidden(self.connection) if r.hidden_by == group and r.hidden_until]
        return min(waiting, default=self.now + wait_s)

    def _is_still_hidden(self, record: AlertRecord) -> bool:
        match record.hiding:
            case Hiding.SILENCE:
                return any(silence.silence_id == record.hidden_by for silence in self._live_silences())
            case Hiding.INHIBITION:
                return record.hidden_by in dict(self._firing())
            case _:
                return record.hidden_until is not None and self.now < record.hidden_until

    def _live_silences(self) -> Sequence[Silence]:
        if self._silences is None:
            self._silences = live_silences(self.connection, self.now)
        return self._silences

    def _firing(self) -> Sequence[tuple[str, Mapping[str, str]]]:
        """What may hide others; asked for anew by each transaction, and only where something may be hidden."""
        if not self.policy.inhibitions:
            return ()
        if self._sources is None:
            self._sources = [(record.fingerprint, record.labels) for record in alerts.firing(self.connection)]
        return self._sources

    # -- how an incident ends

    def _settle(self, incident: Incident, *, may_flap: bool = True, note: str = "") -> None:
        """The last of its alerts has ended: end it, or hold it and say why."""
        records = alerts.of_incident(self.connection, incident_number(incident.incident_id))
        damping = self.policy.flapping
        since = self.now - damping.window_s
        counts = [alerts.num_episodes(self.connection, mark, since) for mark in {r.fingerprint for r in records}]
        if may_flap and max(counts, default=0) >= damping.count:
            self.hold(incident, tracker.flapping(max(counts), damping.window_s, damping.quiet_s, self.now))
        elif any(question_of(record.alert) is not None for record in records):
            # The answer needs a metrics source, which is not asked inside a transaction.
            self.hold(incident, Hold(HoldKind.TREND, "", self.now))
        else:
            self.settle(incident, note)

    def settle_if_over(self, incident: Incident) -> None:
        """End or hold *incident* if nothing of it fires."""
        # One without alerts was opened by a person, who ends it too.
        if not incident.is_resolved and not incident.num_firing and incident.num_alerts:
            self._settle(incident)

    def end_merged(self, incident: Incident) -> None:
        """End what was merged into *incident*, which is over."""
        table = schema.incident
        rows = self.connection.execute(
            select(table).where(
                table.c.merged_into == incident_number(incident.incident_id),
                table.c.state != IncidentState.RESOLVED.value,
            )
        ).all()
        for row in rows:
            merged = to_incident(row)
            text = f"Resolved with {incident.incident_id}, into which it was merged"
            ended = replace(merged.move(IncidentState.RESOLVED, self.now), is_blind=False, hold=None)
            self._apply(
                self._lead(merged), Changes(ended, "incident.resolved", text, (Note("incident.resolved", text),))
            )

    # -- reading and writing

    def _incident(self, text: str) -> Incident:
        return get_incident(self.connection, incident_number(text))

    def _newest(self, group: str) -> tuple[Incident | None, int]:
        """The open incident of a group, if there is one, and the number of the group's newest episode."""
        table = schema.incident
        query = select(table).where(table.c.fingerprint == group).order_by(desc(table.c.episode)).limit(1)
        row = self.connection.execute(query).first()
        if row is None:
            return None, 0
        incident = to_incident(row)
        if incident.merged_into is not None and not incident.is_resolved:
            return self._incident(incident.merged_into), incident.episode
        return (None if incident.is_resolved else incident), incident.episode

    def _lead(self, incident: Incident) -> Alert:
        found = alerts.newest(self.connection, incident.lead or incident.fingerprint)
        if found is not None:
            return found.alert
        return Alert(incident.labels, {}, AlertState.FIRING, incident.opened_at, fingerprint=incident.fingerprint)

    def _name(self, incident: Incident) -> str:
        return incident.labels.get("alertname") or self._lead(incident).name

    def _decide(self, alert: Alert, kind: str, reason: str) -> None:
        self.connection.execute(
            insert(schema.decision).values(
                at=self.now,
                fingerprint=alert.fingerprint,
                alertname=alert.name[: alerts.LONGEST_NAME],
                kind=kind,
                text=reason,
            )
        )

    def _apply(self, alert: Alert, changes: Changes, *, starts_at: float | None = None) -> Incident | None:
        if changes.kind:
            self._decide(alert, changes.kind, changes.reason)
        incident = changes.incident
        if incident is None:
            return None
        if incident.incident_id:
            save_incident(self.connection, incident)
        else:
            incident = insert_incident(self.connection, alert, incident, self.now if starts_at is None else starts_at)
        if incident.is_resolved:
            self.resolved.append(incident.incident_id)
        for note in changes.notes:
            suffix = f"{incident.episode}:{self.now:.3f}:{alert.fingerprint}"
            said = tracker.entry(incident.incident_id, note, self.now, suffix=suffix)
            write_entry(self.connection, said, is_quiet=note.is_quiet)
        wish_incident(self.connection, incident_number(incident.incident_id))
        return incident

    def _link_earlier(self, incident: Incident) -> None:
        """Say which incident of the same group came shortly before."""
        table = schema.incident
        row = self.connection.execute(
            select(table).where(
                and_(table.c.fingerprint == incident.fingerprint, table.c.episode == incident.episode - 1)
            )
        ).first()
        if row is None or row.resolved_at is None or self.now - row.resolved_at > LINKED_WITHIN_S:
            return
        earlier = incident_id(row.number)
        ago = format_duration(round(self.now - row.resolved_at))
        reason = f"fired again {ago} after {earlier} was resolved"
        link(self.connection, earlier, incident.incident_id, reason, tracker.ACTOR, self.now)
        note = Note("incident.linked", f"It {reason}")
        write_entry(self.connection, tracker.entry(incident.incident_id, note, self.now, suffix=earlier))


def _why(record: AlertRecord) -> str:
    match record.hiding:
        case Hiding.SILENCE:
            return f"silence {record.hidden_by}"
        case Hiding.INHIBITION:
            return "another alert fired"
        case _:
            return "it waited for others of its group"
