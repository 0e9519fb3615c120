"""`acme.note`: appends one line to a file of notices. Replace it by your own system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.action.plugin import ActionParts
from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome


class NoteArguments(BaseModel):
    """What stands under `with`; it is checked when a runbook is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n]*$")] = Field(
        description="One line."
    )


class NoteOutputs(BaseModel):
    """What later steps see as `steps.<id>.outputs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: int = Field(description="Lines in the file now.")


class AcmeNote(Action[NoteArguments]):
    """Appends a line, once for each idempotency key."""

    name: ClassVar[str] = "acme.note"
    summary: ClassVar[str] = "Append one line to the file of notices."
    arguments = NoteArguments
    outputs = NoteOutputs

    def __init__(self, file: Path) -> None:
        self._file = file

    async def prior(self, arguments: NoteArguments) -> Facts:
        """Read before anybody is asked: what is in force now, for the request and for the record."""
        return {"lines": len(await asyncio.to_thread(self._lines))}

    def describe(self, arguments: NoteArguments, prior: Facts, ttl_s: float | None) -> Description:
        """Two sentences without a full stop, for somebody who was just woken."""
        return Description(
            f"append a line to {self._file.name}, which has {prior['lines']} now: {arguments.text}",
            "there is no undo; take the line out by hand",
        )

    async def act(self, arguments: NoteArguments, context: ActionContext) -> Outcome:
        """Do it once. A call that may have happened raises ActionError with outcome_unknown=True."""
        found = await self.find(arguments, context.idempotency_key)
        if found is None:
            await asyncio.to_thread(self._append, f"{context.idempotency_key}\t{arguments.text}\n")
            found = await self.find(arguments, context.idempotency_key)
        assert found is not None
        return found

    async def find(self, arguments: NoteArguments, idempotency_key: str) -> Outcome | None:
        """Whether a call with that key happened: this is what makes the step safe to repeat after a crash."""
        lines = await asyncio.to_thread(self._lines)
        if not any(line.startswith(f"{idempotency_key}\t") for line in lines):
            return None
        return Outcome(f"Noted: {arguments.text}", {"lines": len(lines)})

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        except OSError as error:
            raise ActionError(f"{self._file} cannot be read: {error.strerror}", retryable=True) from error

    def _append(self, line: str) -> None:
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise ActionError(f"{self._file} cannot be written: {error.strerror}", retryable=True) from error


def actions(parts: ActionParts) -> Iterable[Action[Any]]:
    """The entry point. What it raises is reported by `opsbot check` and in core's log, and stops nothing else."""
    file = parts.settings.get("file")
    if not isinstance(file, str):
        raise ValueError("set actions.plugins.acme.file in opsbot.yaml to the path of the file")
    return [AcmeNote(Path(file))]
