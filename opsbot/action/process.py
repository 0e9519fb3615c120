"""`process.run`: starts a program that opsbot.yaml names, without a shell. Off while none is named.

What it prints is not kept: its last line, with secrets taken out, and its exit code are all that is seen of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.secret import Mask
from opsbot.action_settings import ProcessSection, ProgramSection
from opsbot.clock import Clock
from opsbot.errors import ActionError
from opsbot.people import Role
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome

MAX_LINE_CHARS = 300
KEPT_BYTES = 8 * 1024
KILL_AFTER_S = 2.0
_USUAL = ("PATH", "LANG", "LC_ALL", "TZ")


class ProcessArguments(BaseModel):
    """What `process.run` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    program: str = Field(min_length=1, description="Its name under `actions.process.allow` in opsbot.yaml.")


class ProcessOutputs(BaseModel):
    """What `process.run` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exit_code: int = Field(description="0; any other fails the step.")
    last_line: str = Field(description="The last line that it printed, at most 300 characters.")
    duration_s: float = Field(description="Seconds that it took.")


class ProcessRun(Action[ProcessArguments]):
    """Starts a listed program and waits for it."""

    name: ClassVar[str] = "process.run"
    summary: ClassVar[str] = "Start a program of core's machine that opsbot.yaml names, and wait for it."
    arguments = ProcessArguments
    outputs = ProcessOutputs
    is_idempotent: ClassVar[bool] = False
    is_risky: ClassVar[bool] = True
    role: ClassVar[Role] = "commander"

    def __init__(self, section: ProcessSection, clock: Clock, environ: Mapping[str, str] | None = None) -> None:
        self._section = section
        self._clock = clock
        self._environ = os.environ if environ is None else environ

    def locks(self, arguments: ProcessArguments) -> tuple[str, ...]:
        return (f"process/{arguments.program}",)

    async def prior(self, arguments: ProcessArguments) -> Facts:
        return {"argv": list(self._program(arguments).argv)}

    def describe(self, arguments: ProcessArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(
            f"start {arguments.program} on core's machine: {' '.join(prior['argv'])}", "there is no undo by itself"
        )

    async def act(self, arguments: ProcessArguments, context: ActionContext) -> Outcome:
        program = self._program(arguments)
        given = {name: self._environ[name] for name in program.env if name in self._environ}
        usual = {name: self._environ[name] for name in _USUAL if name in self._environ}
        began = self._clock.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**usual, **given, "OPSBOT_RUN": context.run_id, "OPSBOT_KEY": context.idempotency_key},
                cwd="/",
                # A group of its own, so that whatever it starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ActionError(f"{arguments.program} cannot be started: {error.strerror}") from error
        try:
            tail = await _tail(process)
            code = await process.wait()
        finally:
            await _end(process)
        line = Mask.of(given.values()).text(_last_line(tail))
        if code != 0:
            raise ActionError(f"{arguments.program} ended with {_exit(code)}: {line or 'it said nothing'}")
        outputs = {"exit_code": code, "last_line": line, "duration_s": round(self._clock.monotonic() - began, 3)}
        return Outcome(f"{arguments.program} is done{f': {line}' if line else ''}", outputs)

    def _program(self, arguments: ProcessArguments) -> ProgramSection:
        program = self._section.allow.get(arguments.program)
        if program is None:
            known = ", ".join(sorted(self._section.allow))
            raise ActionError(
                f"no program {arguments.program!r} stands under `actions.process.allow` in opsbot.yaml"
                + (f"; known are: {known}" if known else ", and none else: process.run is off")
            )
        return program


async def _tail(process: asyncio.subprocess.Process) -> bytes:
    """Read to the end and keep the last of it."""
    assert process.stdout is not None
    kept = b""
    while piece := await process.stdout.read(64 * 1024):
        kept = (kept + piece)[-KEPT_BYTES:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave nothing of its group behind."""
    _signal(process, signal.SIGTERM)
    if process.returncode is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_S):
                await process.wait()
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _last_line(tail: bytes) -> str:
    lines = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    return "".join(one for one in lines[-1] if one.isprintable())[:MAX_LINE_CHARS] if lines else ""


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
