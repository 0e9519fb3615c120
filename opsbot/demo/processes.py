"""The demo's processes: started with their own logs, told apart by name, stopped in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.demo.show import DemoBroken

STOP_GRACE_S = 10.0


class ProcessDied(DemoBroken):
    """A process left before it should; the message carries the end of its log."""


@dataclass(slots=True)
class Process:
    """One process of the demo."""

    name: str
    process: asyncio.subprocess.Process
    log_path: Path

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def log_tail(self, num_lines: int = 15) -> str:
        """The last lines it printed."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-num_lines:])

    def require_alive(self) -> None:
        """Raises: ProcessDied with the end of its log, if it left."""
        if not self.is_alive:
            left = f"{self.name} left with status {self.process.returncode}"
            raise ProcessDied(f"{left}; the end of {self.log_path}:\n{self.log_tail()}")


@dataclass(slots=True)
class Processes:
    """Every process of one demo run."""

    log_dir: Path
    environment: Mapping[str, str]
    started: list[Process] = field(default_factory=list)

    async def start(self, name: str, module: str, arguments: Sequence[str]) -> Process:
        """Start `python -m module arguments…` with its output in `<log_dir>/<name>.log`."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log_path = self.log_dir / f"{name}.log"
        with log_path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        started = Process(name, process, log_path)
        self.started.append(started)
        return started

    async def stop(self, process: Process) -> None:
        """Ask one process to leave, and kill it if it will not."""
        if process.is_alive:
            with contextlib.suppress(ProcessLookupError):
                process.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.process.wait(), STOP_GRACE_S)
            except TimeoutError:
                process.process.kill()
                await process.process.wait()

    async def stop_all(self) -> None:
        """Stop everything, the last started first."""
        for process in reversed(self.started):
            await self.stop(process)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_port_free(port: int) -> bool:
    """Whether *port* can be bound on loopback."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
