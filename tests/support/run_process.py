"""A process with nothing but an executor, to be killed: `python -m tests.support.run_process FOLDER URL VERDICT [DIE]`.

DIE names a line at which it kills itself the first time it comes there: `before_act` or `after_act`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsbot.action.control import ControlClient
from opsbot.action.serving import ServingSetBatch, SetBatchArguments
from opsbot.runbook.action import ActionContext, Outcome
from opsbot.runbook.probe import Verdict
from tests.support.runs import RunWorld, SaidMetrics


class DyingSetBatch(ServingSetBatch):
    """The real action, in a process that dies around its first call."""

    def __init__(self, control: ControlClient, marker: Path, where: str) -> None:
        super().__init__(control)
        self._marker = marker
        self._where = where

    async def act(self, arguments: SetBatchArguments, context: ActionContext) -> Outcome:
        self._die("before_act")
        outcome = await super().act(arguments, context)
        self._die("after_act")
        return outcome

    def _die(self, here: str) -> None:
        if here == self._where and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


async def _run(folder: Path, url: str, verdict: Verdict, where: str) -> None:
    world = RunWorld(folder, url, SaidMetrics(verdict))
    world.actions[0] = DyingSetBatch(world.control, folder / "died", where)
    async with world.executing():
        print("executing", flush=True)
        await asyncio.Event().wait()


class RunProcess:
    """That process, seen from a test."""

    def __init__(self, folder: Path, url: str, verdict: Verdict = "holds", *, die: str = "") -> None:
        self._log = (folder / "process.log").open("ab")
        command = [sys.executable, "-m", "tests.support.run_process", str(folder), url, verdict, die]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"executing\n", (folder / "process.log").read_text()

    def kill(self) -> None:
        """Kill it as the kernel would, if it lives."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Its exit status, once it has died."""
        status = self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
        return status


@contextmanager
def run_process(folder: Path, url: str, verdict: Verdict = "holds", *, die: str = "") -> Iterator[RunProcess]:
    """The process for the length of a with block; it is killed at its end."""
    process = RunProcess(folder, url, verdict, die=die)
    try:
        yield process
    finally:
        process.kill()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]))  # type: ignore[arg-type]
