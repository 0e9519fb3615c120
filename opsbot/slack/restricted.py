"""What everybody may read of incidents and runs, and the commands as somebody without that role has them.

Trust and safety matters are not there for others: they are in no list, and a command about one finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opsbot.alert.silence import Silence
from opsbot.errors import NotFoundError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.explanation import Explanation
from opsbot.incident.handle import PREFIX as RUN_HANDLE
from opsbot.incident.incident import Incident
from opsbot.incident.note import QuotedMessage
from opsbot.incident.restricted import ROLE, is_restricted
from opsbot.incident.view import IncidentView, RunView
from opsbot.oncall.turn import Turn
from opsbot.people import Person
from opsbot.runbook.case import announcement_id, approval_id
from opsbot.runbook.commands import RunAnswer, RunCommands, RunRequest
from opsbot.runbook.preview import Ask, Preview
from opsbot.runbook.store import Halt, KnobHold
from opsbot.slack.seat import Seat

QUESTIONS = ("approve", "glass", "object", "go_now")
RUN_ID = "run:"
MOST_ASKED = 10
"""How often one step asks for its approval anew, at the most; only to know its entries again."""


def for_everybody(view: IncidentView) -> IncidentView:
    """An incident that is for everybody, without runs that are not."""
    hidden = [run for run in view.runs if run.is_restricted]
    if not hidden:
        return view
    timeline = tuple(entry for entry in view.timeline if not is_about(entry.key, hidden))
    return replace(view, runs=tuple(run for run in view.runs if not run.is_restricted), timeline=timeline)


def is_about(key: str, runs: Iterable[RunView]) -> bool:
    """Whether an entry with that *key* is about one of *runs*: it begins with its id, or that of what it asked."""
    return any(key.startswith(f"{name}:") for run in runs for name in _names(run))


def _names(run: RunView) -> Iterable[str]:
    yield run.run_id
    for step in run.steps:
        yield announcement_id(run.run_id, step.step_id)
        yield from (approval_id(run.run_id, step.step_id, number) for number in range(MOST_ASKED))


def seen_by(seat: Seat, person: Person) -> Seat:
    """The seat as *person* has it."""
    if person.has(ROLE):
        return seat
    incidents = SeenIncidents(seat.incidents)
    return replace(seat, incidents=incidents, runs=SeenRuns(seat.runs, incidents))


class SeenIncidents:
    """Implements IncidentCommands for people without the role."""

    def __init__(self, everything: IncidentCommands) -> None:
        self._all = everything

    async def open_incidents(self) -> tuple[IncidentView, ...]:
        return tuple(for_everybody(view) for view in await self._all.open_incidents() if not is_restricted(view))

    async def incident(self, incident_id: str) -> IncidentView:
        view = await self._all.incident(incident_id)
        if is_restricted(view):
            raise NotFoundError(f"there is no incident {incident_id.upper()} that you may see")
        return for_everybody(view)

    async def explain(self, about: str) -> Explanation:
        if about.upper().startswith("INC-"):
            await self.incident(about)
        found = await self._all.explain(about)
        hidden = [one for one in found.incidents if await self._is_hidden(one)]
        if not hidden:
            return found
        if len(hidden) == len(found.incidents):
            raise NotFoundError(f"nothing is known of {about} that you may see")
        leads = {one.lead for one in hidden}
        return replace(
            found,
            incidents=tuple(one for one in found.incidents if one not in hidden),
            decisions=tuple(one for one in found.decisions if one.fingerprint not in leads),
        )

    async def acknowledge(self, incident_id: str, person: Person) -> str:
        await self.incident(incident_id)
        return await self._all.acknowledge(incident_id, person)

    async def resolve(self, incident_id: str, reason: str, person: Person) -> str:
        await self.incident(incident_id)
        return await self._all.resolve(incident_id, reason, person)

    async def merge(self, incident_id: str, into: str, person: Person) -> str:
        await self._both(incident_id, into)
        return await self._all.merge(incident_id, into, person)

    async def take_apart(self, incident_id: str, person: Person) -> str:
        await self.incident(incident_id)
        return await self._all.take_apart(incident_id, person)

    async def link(self, incident_id: str, other: str, reason: str, person: Person) -> str:
        await self._both(incident_id, other)
        return await self._all.link(incident_id, other, reason, person)

    async def add_note(self, incident_id: str, words: str, person: Person, request_id: str) -> str:
        await self.incident(incident_id)
        return await self._all.add_note(incident_id, words, person, request_id)

    async def quote(self, incident_id: str, message: QuotedMessage, person: Person) -> str:
        await self.incident(incident_id)
        return await self._all.quote(incident_id, message, person)

    async def unquote(self, place: str, person: Person) -> str:
        return await self._all.unquote(place, person)

    async def incident_at(self, channel: str, ts: str) -> str | None:
        return await self._all.incident_at(channel, ts)

    async def silence(
        self, matchers: Sequence[str], length_s: float, reason: str, person: Person, request_id: str | None = None
    ) -> str:
        return await self._all.silence(matchers, length_s, reason, person, request_id)

    async def end_silence(self, silence_id: str, person: Person) -> str:
        return await self._all.end_silence(silence_id, person)

    async def silences(self) -> tuple[Silence, ...]:
        return await self._all.silences()

    async def on_call(self) -> tuple[Turn, ...]:
        return await self._all.on_call()

    async def _both(self, incident_id: str, other: str) -> None:
        await self.incident(incident_id)
        await self.incident(other)

    async def _is_hidden(self, incident: Incident) -> bool:
        return is_restricted(await self._all.incident(incident.incident_id))


class SeenRuns:
    """Implements RunCommands for people without the role."""

    def __init__(self, everything: RunCommands, incidents: SeenIncidents) -> None:
        self._all = everything
        self._incidents = incidents

    async def runs(self, *, include_finished: bool = False) -> tuple[RunView, ...]:
        found = [run for run in await self._all.runs(include_finished=include_finished) if not run.is_restricted]
        may_see: dict[str, bool] = {}
        for run in found:
            if run.incident_id and run.incident_id not in may_see:
                may_see[run.incident_id] = await self._may_see(run.incident_id)
        return tuple(run for run in found if may_see.get(run.incident_id, True))

    async def run(self, run_id: str) -> RunView:
        found = await self._all.run(run_id)
        if not await self._shows(found):
            raise NotFoundError(f"there is no run {run_id} that you may see")
        return found

    async def preview(self, ask: Ask, person: Person) -> Preview:
        if ask.verb in ("undo", "cancel"):
            await self._check(ask.reference)
        elif ask.verb == "resolve":
            await self._incidents.incident(ask.reference)
        elif ask.request is not None and ask.request.incident_id is not None:
            await self._incidents.incident(ask.request.incident_id)
        elif ask.verb in QUESTIONS:
            await self._check_question(ask.reference)
        return await self._all.preview(ask, person)

    def who_may(self, roles: Sequence[str]) -> tuple[str, ...]:
        return self._all.who_may(roles)

    async def start(self, request: RunRequest, person: Person) -> RunAnswer:
        if request.incident_id is not None:
            await self._incidents.incident(request.incident_id)
        return await self._all.start(request, person)

    async def again(self, run_id: str, person: Person, from_step: str | None = None) -> RunAnswer:
        await self._check(run_id)
        return await self._all.again(run_id, person, from_step)

    async def undo(self, run_id: str, person: Person) -> str:
        await self._check(run_id)
        return await self._all.undo(run_id, person)

    async def cancel(self, run_id: str, person: Person, reason: str) -> str:
        await self._check(run_id)
        return await self._all.cancel(run_id, person, reason)

    async def pause(self, run_id: str, person: Person, reason: str) -> str:
        await self._check(run_id)
        return await self._all.pause(run_id, person, reason)

    async def resume(self, run_id: str, person: Person) -> str:
        await self._check(run_id)
        return await self._all.resume(run_id, person)

    async def skip(self, run_id: str, step_id: str, person: Person, reason: str) -> str:
        await self._check(run_id)
        return await self._all.skip(run_id, step_id, person, reason)

    async def settle(self, run_id: str, step_id: str, has_happened: bool, person: Person) -> str:
        await self._check(run_id)
        return await self._all.settle(run_id, step_id, has_happened, person)

    async def decide(self, approval_id: str, *, is_granted: bool, person: Person) -> str:
        await self._check_question(approval_id)
        return await self._all.decide(approval_id, is_granted=is_granted, person=person)

    async def break_glass(self, approval_id: str, person: Person, reason: str) -> str:
        await self._check_question(approval_id)
        return await self._all.break_glass(approval_id, person, reason)

    async def object(self, announcement_id: str, person: Person, reason: str = "") -> str:
        await self._check_question(announcement_id)
        return await self._all.object(announcement_id, person, reason)

    async def go_now(self, announcement_id: str, person: Person) -> str:
        await self._check_question(announcement_id)
        return await self._all.go_now(announcement_id, person)

    async def offer_capacity(self, announcement_id: str, person: Person) -> str:
        await self._check_question(announcement_id)
        return await self._all.offer_capacity(announcement_id, person)

    async def stop_all(self, person: Person, reason: str) -> str:
        return await self._all.stop_all(person, reason)

    async def go_on(self, person: Person) -> str:
        return await self._all.go_on(person)

    async def hold(self, pattern: str, length_s: float, person: Person, reason: str) -> str:
        return await self._all.hold(pattern, length_s, person, reason)

    async def let_go(self, number: int, person: Person) -> str:
        return await self._all.let_go(number, person)

    async def halt(self) -> Halt | None:
        return await self._all.halt()

    async def holds(self) -> tuple[KnobHold, ...]:
        return await self._all.holds()

    async def _check(self, run_id: str) -> None:
        """Of a run that is not there the command itself speaks."""
        try:
            found = await self._all.run(run_id)
        except NotFoundError:
            return
        if not await self._shows(found):
            raise NotFoundError(f"there is no run {run_id} that you may see")

    async def _check_question(self, name: str) -> None:
        """Of an approval or announcement by its id, the beginning of it, or its run's handle."""
        wanted = name.strip().lower()
        if wanted.startswith((RUN_HANDLE, RUN_ID)):
            await self._check(name)
        elif wanted:
            for run in await self._all.runs():
                if any(one.startswith(wanted) for one in _names(run)) and not await self._shows(run):
                    raise NotFoundError(f"nobody asks {name.strip()[:40]} that you may see")

    async def _shows(self, run: RunView) -> bool:
        return not run.is_restricted and (not run.incident_id or await self._may_see(run.incident_id))

    async def _may_see(self, incident_id: str) -> bool:
        try:
            await self._incidents.incident(incident_id)
        except NotFoundError:
            return False
        return True
