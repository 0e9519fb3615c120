"""Runs as people meet them: the real desk, store and executor, and an action whose effects can be counted in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from opsbot.alert.policy import AlertPolicy
from opsbot.desk_tools import Runs
from opsbot.errors import ActionError
from opsbot.people import Person
from opsbot.preview_rows import Sight
from opsbot.run_desk import RunDesk
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook
from opsbot.store.handling import HandlingRepository
from opsbot.store.repositories import Repositories
from tests.support.runs import RunWorld

RESPONDER = Person("U0RESPONDER", frozenset({"responder"}), "Slack")
OTHER = Person("U0OTHER", frozenset({"responder"}), "Slack")
COMMANDER = Person("U0COMMANDER", frozenset({"commander"}), "Slack")
STRANGER = Person("U0STRANGER", frozenset(), "Slack")

NOTES = """
version: 1
id: two-notes
name: Write two notes
owner: tests
mode: auto
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
inputs:
  word: {{type: string, default: hello}}
  times: {{type: integer, default: 1, min: 1, max: 5}}
steps:
  - id: first
    name: Write the first note
    uses: note.write
    with: {{text: "first ${{{{ inputs.word }}}}"}}
    retry: {{attempts: 1}}
    {first}
  - id: second
    name: Write the second note
    uses: note.write
    with: {{text: second}}
    retry: {{attempts: 1}}
    {second}
"""


def notes(*, first: str = "", second: str = "") -> str:
    """A runbook of two changes; *first* and *second* are further lines of the steps."""
    return NOTES.format(first=first, second=second)


class NoteArguments(BaseModel):
    """What is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str


class WriteNote(Action[NoteArguments]):
    """Appends a line to a file: made twice, it is there twice. It cannot be asked what became of a call."""

    name: ClassVar[str] = "note.write"
    summary: ClassVar[str] = "Append a line to a file."
    arguments = NoteArguments
    is_idempotent: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.faults: list[Literal["", "lost", "not made", "refused"]] = []
        self.keys: list[str] = []

    async def act(self, arguments: NoteArguments, context: ActionContext) -> Outcome:
        fault = self.faults.pop(0) if self.faults else ""
        self.keys.append(context.idempotency_key)
        if fault == "refused":
            raise ActionError("the pen is empty")
        if fault != "not made":
            with self._path.open("a", encoding="utf-8") as file:
                file.write(arguments.text + "\n")
        if fault:
            raise ActionError("the answer was lost", outcome_unknown=True)
        return Outcome(f"wrote {arguments.text}")

    def written(self) -> Sequence[str]:
        """Every line, in order."""
        return self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []


class RunPeople(RunWorld):
    """A world with the desk where people come."""

    def __init__(self, folder: Path, *, is_paging: bool = False) -> None:
        super().__init__(folder, "http://127.0.0.1:9")
        self.note = WriteNote(folder / "notes.txt")
        self.actions.append(self.note)
        self.stores = Repositories.over(self.database, AlertPolicy(is_paging=is_paging))
        self.library: list[Runbook] = []

    def put(self, runbook: str) -> None:
        """Bring a runbook into force."""
        loaded, problems = loads_runbook(runbook, "runbook.yaml", self.registry)
        assert loaded is not None, problems
        self.library.append(loaded)

    def desk(self, executor: Runs) -> RunDesk:
        """Where people come."""
        sight = Sight(self.registry, self.metrics)
        clusters = ("local", "eu-1")
        return RunDesk(
            self.stores, executor, lambda: tuple(self.library), lambda: None, self.clock, clusters, sight
        )  # fmt: skip

    def resolve_by_hand(self, incident_id: str) -> None:
        """End an incident by a person's word."""
        HandlingRepository(self.database).resolve(incident_id, RESPONDER, "done", self.clock.now())


def request(request_id: str = "q1", **inputs: object) -> RunRequest:
    """What somebody asks for who starts the two notes."""
    return RunRequest("two-notes", request_id, "local", inputs)
