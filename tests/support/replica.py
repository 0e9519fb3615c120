"""A process with nothing but an executor over a shared disk: `python -m tests.support.replica FOLDER EXECUTOR_ID`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.noted import NotedWorld


async def _run(folder: Path, executor_id: str) -> None:
    world = NotedWorld(folder)
    await world.executor(executor_id).start()
    print("executing", flush=True)
    await asyncio.Event().wait()


@contextmanager
def replicas(folder: Path, *executor_ids: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One process for each id; all are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "replicas.log").open("ab") as log:
        for executor_id in executor_ids:
            command = [sys.executable, "-m", "tests.support.replica", str(folder), executor_id]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log))
        try:
            for one in started:
                assert one.stdout is not None
                assert one.stdout.readline() == b"executing\n", (folder / "replicas.log").read_text()
            yield started
        finally:
            for one in started:
                one.kill()
                one.wait(30)
                if one.stdout is not None:
                    one.stdout.close()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2]))
