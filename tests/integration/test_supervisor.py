"""The supervisor over real processes: what dies is started again, and what it leaves behind leaves too."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.supervisor import RoleProcess, Supervisor
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.integration

START_LIMIT_S = 30.0


def settings(folder: Path) -> Path:
    """Settings of a bot that watches nobody."""
    path = folder / "opsbot.yaml"
    path.write_text(
        f"version: 1\ndata_dir: {folder}/data\nserving: [{{cluster: a, url: 'http://127.0.0.1:9'}}]\n"
        f"events: {{port: {free_port()}}}\nworkspace: {{port: {free_port()}}}\n"
    )
    return path


def environment() -> dict[str, str]:
    """Its secrets."""
    return {**os.environ, "OPSBOT_API_TOKEN": "a", "SERVING_CONTROL_TOKEN": "b"}


def roles(folder: Path, *names: str) -> Sequence[RoleProcess]:
    """Role processes as `opsbot up` makes them."""
    path = settings(folder)
    return [
        RoleProcess(name, (name, "--config", str(path), "--exit-with-parent"), folder / f"{name}.log") for name in names
    ]


def children(parent: int, name: str) -> list[int]:
    """Process ids of the living children of *parent* that run the role *name*."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            above = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if above == parent and name.encode() in words:
            found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_a_role_that_dies_is_started_again(tmp_path: Path) -> None:
    """SIGKILL one of two: it comes back as another process, its neighbour is left alone, and all leave at the end."""
    supervisor = Supervisor(roles(tmp_path, "events", "workspace"), environment())
    running = asyncio.create_task(supervisor.run())
    me = os.getpid()
    await until(lambda: bool(children(me, "events") and children(me, "workspace")), START_LIMIT_S)
    (events,), (workspace,) = children(me, "events"), children(me, "workspace")
    os.kill(events, signal.SIGKILL)
    await until(lambda: children(me, "events") not in ([], [events]), START_LIMIT_S)
    assert children(me, "workspace") == [workspace]
    (again,) = children(me, "events")
    supervisor.stop()
    await asyncio.wait_for(running, START_LIMIT_S)
    assert not is_alive(again)
    assert not is_alive(workspace)


async def test_roles_leave_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """SIGKILL of `opsbot up` leaves no orphans that a new start would meet."""
    up = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "opsbot", "up", "--config", str(settings(tmp_path))),
        env=environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await until(lambda: bool(children(up.pid, "events") and children(up.pid, "workspace")), START_LIMIT_S)
    left = [*children(up.pid, "events"), *children(up.pid, "workspace"), *children(up.pid, "core")]
    up.kill()
    await up.wait()
    await until(lambda: not any(is_alive(pid) for pid in left))


async def test_up_says_what_is_missing(tmp_path: Path) -> None:
    """Without its secrets the bot does not start, and names the variables."""
    env = {
        name: value for name, value in os.environ.items() if name not in ("OPSBOT_API_TOKEN", "SERVING_CONTROL_TOKEN")
    }
    up = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "opsbot", "up", "--config", str(settings(tmp_path))),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(up.communicate(), START_LIMIT_S)
    assert up.returncode == 1
    assert b"OPSBOT_API_TOKEN is not set" in output
    assert b"SERVING_CONTROL_TOKEN is not set" in output
    assert b"Traceback" not in output
