"""Actions that write lines to a file: changes without a lease, whose every call can be counted afterwards.

The file is appended to in one write a call, so it survives a process that dies at any line.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, Outcome

Fault = Literal["passed", "unreachable", "failed", "answer_lost", "not_done", "hangs"]


class NoteArguments(BaseModel):
    """What to write, and about which cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    cluster: str = "local"


class NoteOutputs(BaseModel):
    """What was written."""

    line: str


class Notes:
    """The file, and the failures that its next calls meet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: dict[str, list[Fault]] = {}
        self.value = "before"

    def write(self, word: str, what: str, key: str) -> None:
        """Append one line, `WORD WHAT KEY`."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{word} {what} {key}\n".encode())
        finally:
            os.close(descriptor)

    def lines(self) -> tuple[tuple[str, str, str], ...]:
        """Every line so far: word, what and key."""
        if not self.path.exists():
            return ()
        found = (line.split(" ") for line in self.path.read_text().splitlines())
        return tuple((word, what, key) for word, what, key in found)

    def said(self) -> list[str]:
        """The lines without their keys."""
        return [f"{word} {what}" for word, what, _ in self.lines()]

    def fail(self, what: str, *faults: Fault) -> None:
        """Let the next calls about *what* fail."""
        self.faults[what] = list(faults)

    def fault(self, what: str) -> Fault:
        """What the next call about *what* meets."""
        waiting = self.faults.get(what)
        return waiting.pop(0) if waiting else "passed"


class Note(Action[NoteArguments]):
    """Write a line; a second call writes a second one. What was written can be looked up."""

    name: ClassVar[str] = "tests.note"
    summary: ClassVar[str] = "Write a line."
    word: ClassVar[str] = "do"
    arguments = NoteArguments
    outputs = NoteOutputs
    is_idempotent: ClassVar[bool] = False
    is_reversible: ClassVar[bool] = True

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    async def prior(self, arguments: NoteArguments) -> dict[str, Any]:
        return {"value": self.notes.value}

    async def act(self, arguments: NoteArguments, context: ActionContext) -> Outcome:
        fault = self.notes.fault(arguments.what)
        match fault:
            case "unreachable":
                raise ActionError("cannot be reached", retryable=True)
            case "failed":
                raise ActionError("says no")
            case "not_done":
                return self._outcome(arguments.what)
            case "hangs":
                await asyncio.sleep(3600)
        self.notes.write(self.word, arguments.what, context.idempotency_key)
        if fault == "answer_lost":
            raise ActionError("no answer", outcome_unknown=True)
        return self._outcome(arguments.what)

    async def find(self, arguments: NoteArguments, idempotency_key: str) -> Outcome | None:
        if any(key == idempotency_key for _, _, key in self.notes.lines()):
            return self._outcome(arguments.what)
        return None

    def _outcome(self, what: str) -> Outcome:
        return Outcome(f"{self.word} {what}", {"line": what})


class Unnote(Note):
    """Its undo; whether it happened can be looked up, so it is repeated where it did not."""

    name: ClassVar[str] = "tests.unnote"
    summary: ClassVar[str] = "Take a line back."
    word: ClassVar[str] = "undo"
    is_idempotent: ClassVar[bool] = True


class Turn(Note):
    """The same, with a knob that only one run may turn."""

    name: ClassVar[str] = "tests.turn"
    summary: ClassVar[str] = "Turn a knob."

    def locks(self, arguments: NoteArguments) -> tuple[str, ...]:
        return tuple(f"{arguments.cluster}/{knob}" for knob in arguments.what.split("+"))


class Blind(Note):
    """The same, without a way to look up whether a call happened."""

    name: ClassVar[str] = "tests.blind"
    summary: ClassVar[str] = "Write a line and know nothing of it."

    async def find(self, arguments: NoteArguments, idempotency_key: str) -> Outcome | None:
        return await Action.find(self, arguments, idempotency_key)


def noting(notes: Notes) -> list[Action[Any]]:
    """Every action of this file."""
    return [Note(notes), Unnote(notes), Turn(notes), Blind(notes)]
