"""Starts the roles as processes of their own, watches them and starts them again when they die.

A crash in one role never touches another. The children read a pipe that only the supervisor holds: when the
supervisor goes, however it goes, they see the pipe close and leave too, so a restart never meets its own orphans.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 15.0
STEADY_AFTER_S = 30.0
"""A role that ran this long starts again at once and with the first back-off."""
STOP_GRACE_S = 8.0


@dataclass(frozen=True, slots=True)
class RoleProcess:
    """One role: its name, its command line, and where its output goes."""

    name: str
    arguments: Sequence[str]
    log_path: Path


class Supervisor:
    """Keeps a set of role processes alive until it is told to stop."""

    def __init__(self, roles: Sequence[RoleProcess], environment: Mapping[str, str]) -> None:
        self._roles = tuple(roles)
        self._environment = dict(environment)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask every role to leave; `run` returns once they have."""
        self._stopping.set()

    async def run(self) -> None:
        """Start all roles and return after `stop`, or after SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for role in self._roles:
                    group.create_task(self._keep(role), name=role.name)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _keep(self, role: RoleProcess) -> None:
        backoff_s = FIRST_BACKOFF_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(role)
            if self._stopping.is_set():
                return
            if loop.time() - started > STEADY_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            logger.warning(
                "%s left with status %s; starting it again in %.1f s (its log: %s)",
                role.name,
                code,
                backoff_s,
                role.log_path,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _run_once(self, role: RoleProcess) -> int:
        role.log_path.parent.mkdir(parents=True, exist_ok=True)
        with role.log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "opsbot",
                *role.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        left = asyncio.create_task(process.wait())
        told = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({left, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not left.done():
            process.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(left), STOP_GRACE_S)
            except TimeoutError:
                logger.warning("%s did not leave within %.0f s and is killed", role.name, STOP_GRACE_S)
                process.kill()
        return await left


def leave_with_parent() -> None:
    """Make this process leave when standard input closes, which is how a supervisor's death is seen."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="leave-with-parent", daemon=True).start()
