"""`python -m serving_stub traffic` as a process: the load that a test puts on a server, and what its users got."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

STOP_LIMIT_S = 30.0


class TrafficProcess:
    """The generator and the lines that it printed."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "serving_stub", "traffic", "--url", url, "--json", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End the arrivals; outstanding answers are cancelled, as by users who go away."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        finally:
            self._process.kill()
            self._reader.join(STOP_LIMIT_S)
            assert self._process.stdout is not None
            self._process.stdout.close()

    @property
    def summary(self) -> dict[str, Any]:
        """What became of all requests; the last line of a generator that has ended."""
        assert self.lines, "the generator said nothing"
        assert self.lines[-1].get("summary"), self.lines[-1]
        return self.lines[-1]

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines += map(json.loads, self._process.stdout)


@asynccontextmanager
async def traffic(url: str, *arguments: str) -> AsyncIterator[TrafficProcess]:
    """Load for the length of an async with block, an hour at most."""
    generator = TrafficProcess(url, "--duration", "3600", *arguments)
    try:
        yield generator
    finally:
        await asyncio.to_thread(generator.stop)
