"""What people do to a cluster by hand, whatever door they use: each is a run of a shipped runbook, never a short cut.

Implements `opsbot.spoken.commands.ActCommands`. Rights are checked where the run is started, undone or cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

from opsbot.act_state import KNOBS, RUNBOOKS, ActState
from opsbot.act_words import started, would
from opsbot.errors import ConfigError, InvalidTransition, NotFoundError, OpsbotError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.restricted import is_restricted
from opsbot.incident.view import IncidentView, RunView
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands, RunRequest
from opsbot.runbook.model import Runbook
from opsbot.runbook.run import RunState
from opsbot.spoken.act import USAGES, Act, ActVerb, read_act
from opsbot.spoken.commands import ActAnswer, Intention
from opsbot.spoken.length import said
from opsbot.yamlfile import format_duration

ANSWERED_WITHIN_S = 2.0
"""So long somebody waits to hear what became of the run; then they hear that it is under way."""
LOOK_EVERY_S = 0.1


class LoadTestWords(Protocol):
    """`announce …`, `close …`, `stop …` and `list` behind `loadtest`; None for anything else. Raises OpsbotError."""

    async def said(self, text: str, person: Person, request_id: str) -> str | None: ...

    async def would(self, text: str) -> tuple[str, bool] | None: ...


class ActDesk:
    """People come here to do something to a cluster.

    Args:
        state: what is in force on clusters.
        clusters: every cluster that opsbot.yaml names.
        max_hold_s: longest time that a run may hold something, seconds.
        load_tests: takes what is said of load tests that run elsewhere.
    """

    def __init__(
        self,
        runs: RunCommands,
        incidents: IncidentCommands,
        state: ActState,
        clusters: Sequence[str],
        runbooks: Callable[[], Sequence[Runbook]],
        max_hold_s: float,
        load_tests: LoadTestWords | None = None,
    ) -> None:
        self._runs = runs
        self._incidents = incidents
        self._state = state
        self._clusters = tuple(clusters)
        self._runbooks = runbooks
        self._max_hold_s = max_hold_s
        self._load_tests = load_tests

    def clusters(self) -> Sequence[str]:
        """Every cluster that opsbot.yaml names."""
        return self._clusters

    def runbooks(self) -> Sequence[Runbook]:
        """Those in force."""
        return self._runbooks()

    async def carry_out(self, verb: str, text: str, person: Person, request_id: str) -> ActAnswer:
        """Do what *text* behind *verb* asks for; the same request id again starts nothing more."""
        if verb == "loadtest" and self._load_tests is not None:
            answer_of_tests = await self._load_tests.said(text, person, request_id)
            if answer_of_tests is not None:
                return ActAnswer(answer_of_tests)
        intention = await self.intend(verb, text, request_id)
        act = intention.act
        if act.kind == "release":
            return ActAnswer(await self._release(act, person))
        if intention.request is None:
            return ActAnswer(intention.sentence)
        answer = await self._runs.start(intention.request, person)
        run, halt = answer.run, None
        # It is started: that its state cannot be read now must not read as if it were not.
        with contextlib.suppress(OpsbotError):
            run = await self._looked_after(answer.run)
            halt = await self._runs.halt()
        return ActAnswer(started(act, intention.sentence, run, None if halt is None else halt.reason), run)

    async def intend(self, verb: str, text: str, request_id: str) -> Intention:
        """What that would do; changes nothing."""
        if verb == "loadtest" and self._load_tests is not None:
            would_be = await self._load_tests.would(text)
            if would_be is not None:
                sentence, only_looks = would_be
                return Intention(Act("loadtest", "show" if only_looks else "set", ""), sentence)
        act = read_act(_verb(verb), text, self._clusters)
        if act.kind == "show":
            return Intention(act, await self._state.words(act, await self._mine(act)))
        if act.kind == "release":
            mine = await self._mine(act)
            names = ", ".join(f"{run.handle} ({run.runbook_name})" for run in mine)
            return Intention(act, f"take back {names}" if mine else await self._state.nothing(act))
        if act.length_s is not None and act.length_s > self._max_hold_s:
            most = format_duration(self._max_hold_s)
            raise ConfigError(
                f"{said(act.length_s)} is too long: a run holds something for at most {most}; repeat it then"
            )
        runbook = self._runbook(act)
        limit = await self._state.limit(act) if act.verb == "batch" else None
        incident = await self._incident(act)
        inputs = _inputs(act, limit)
        identity = hashlib.sha256(request_id.encode()).hexdigest()[:32]
        where = None if incident is None else incident.incident.incident_id
        request = RunRequest(runbook.runbook_id, identity, act.cluster, inputs, where)
        return Intention(act, would(act, await self._state.now(act), limit, _length(runbook, act), where), request)

    async def _release(self, act: Act, person: Person) -> str:
        """Undo, or cancel, every run that was started by hand for it."""
        mine = await self._mine(act)
        if not mine:
            raise InvalidTransition(await self._state.nothing(act))
        sentences, refused = [], []
        for run in mine:
            try:
                if run.can_undo:
                    sentences.append(f"{run.handle}: {await self._runs.undo(run.run_id, person)}")
                else:
                    why = act.reason or f"{act.verb} {act.cluster} off"
                    sentences.append(await self._runs.cancel(run.run_id, person, why))
            except OpsbotError as error:
                refused.append((run.handle, error))
        if not sentences:
            raise refused[0][1]
        return "\n".join([*sentences, *(f"{handle}: not done: {error}" for handle, error in refused)])

    async def _mine(self, act: Act) -> list[RunView]:
        """Runs by hand that hold it, or are about to."""
        ends = (RunState.UNDOING, RunState.FINISHING)
        return [
            run
            for run in await self._runs.runs()
            if run.runbook_id == RUNBOOKS[act.verb] and run.cluster == act.cluster and run.state not in ends
        ]

    async def _incident(self, act: Act) -> IncidentView | None:
        """Where it belongs: what was said, or the newest incident with alerts that is open for the cluster."""
        if act.incident_id is not None:
            return await self._incidents.incident(act.incident_id)
        for view in await self._incidents.open_incidents():
            # A trust and safety matter is not the place for what everybody may read.
            if view.incident.num_alerts and not is_restricted(view) and _is_about(view, act.cluster):
                return view
        return None

    def _runbook(self, act: Act) -> Runbook:
        wanted = RUNBOOKS[act.verb]
        for runbook in self._runbooks():
            if runbook.runbook_id == wanted:
                return runbook
        raise NotFoundError(
            f"`{act.verb}` starts the runbook {wanted}, which is not in force; it ships in runbooks/by-hand: "
            "name that folder under `runbooks` in opsbot.yaml"
        )

    async def _looked_after(self, run: RunView) -> RunView:
        """The run once it waits for somebody, holds, or is over; as it is when that takes long."""
        under_way = (RunState.QUEUED, RunState.RUNNING)
        for _ in range(round(ANSWERED_WITHIN_S / LOOK_EVERY_S)):
            if run.state not in under_way or any(step.state == "verifying" for step in run.steps):
                return run
            await asyncio.sleep(LOOK_EVERY_S)
            run = await self._runs.run(run.run_id)
        return run


def _verb(word: str) -> ActVerb:
    if word not in KNOBS:
        raise ConfigError(f"there is no `{word}`; there are {', '.join(USAGES)}")
    return word  # type: ignore[return-value]


def _is_about(view: IncidentView, cluster: str) -> bool:
    labels = [view.incident.labels, *(alert.labels for alert in view.alerts)]
    return any(one.get("cluster") == cluster for one in labels)


def _inputs(act: Act, limit: int | None) -> dict[str, object]:
    """The inputs of its runbook; what was not said is left to the runbook."""
    inputs: dict[str, object] = {}
    match act.verb:
        case "batch":
            assert limit is not None
            inputs["limit"] = limit
        case "shed":
            inputs["fraction"] = act.number
            if "class" in act.named:
                inputs["class"] = act.named["class"]
        case "fallback":
            inputs["who"], inputs["name"] = next(iter(act.named.items()))
        case "loadtest":
            inputs["requests_per_s"] = act.number
            if act.expect:
                inputs["expect"] = act.expect
    if act.length_s is not None:
        inputs["length"] = said(act.length_s)
    if act.reason:
        inputs["reason"] = act.reason
    return inputs


def _length(runbook: Runbook, act: Act) -> str:
    """How long it will be, as it was said or as the runbook says."""
    if act.length_s is not None:
        return said(act.length_s)
    default = next((one.default for one in runbook.inputs if one.name == "length"), None)
    return str(default or "as long as its incident is open")
