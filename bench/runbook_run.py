"""How soon a run is accepted by a bot, and how long a run of one step takes alone, beside `chaos run`.

`python -m bench.runbook_run`: whole processes from their start to their end, in turns, medians. Through a bot:
`opsbot run` until it has printed the run's name. Alone: `opsbot run --standalone` of one read-only step on a real
server, with its intent, result and timeline committed durably. Chaos Toolkit runs one HTTP probe on the same server and
writes its journal at the end. `scripts/setup-peers .peers chaos` installs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import yaml

from opsbot.workspace.app import running
from opsbot.workspace.settings import WorkspaceSettings
from serving_stub.roofline.calibrate import processor
from tests.support.bot import Bot
from tests.support.serving_server import CONTROL_TOKEN, serving

ROOT = Path(__file__).parents[1]
CHAOS = ROOT / ".peers/chaos/bin/chaos"
AIM_BOT_S, AIM_ALONE_S = 0.3, 1.5
LIMIT_S = 60.0
LOOK = """\
version: 1
id: look
name: Look at the knobs
owner: bench
mode: auto
triggers: [{type: manual}]
max_runs: {count: 1000, per: 1h}
steps:
  - {id: look, name: Look, uses: serving.knobs}
"""
NO_RULES = "groups: []\n"


def timed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Seconds of a whole process, which must succeed."""
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def experiment(url: str, folder: Path) -> Path:
    """What Chaos Toolkit runs: one probe."""
    probe = {"type": "probe", "name": "health", "provider": {"type": "http", "timeout": 5, "url": f"{url}/health"}}
    path = folder / "experiment.json"
    path.write_text(json.dumps({"version": "1.0.0", "title": "Look", "description": "One probe.", "method": [probe]}))
    return path


async def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Seconds of each command, in turns."""
    with serving(folder / "leases.jsonl") as server:
        async with running(WorkspaceSettings("xoxb-b", "xapp-b", "p", port=0)) as workspace:
            bot = Bot(folder, server.url, workspace, LOOK, NO_RULES)
            await bot.start()
            try:
                environment = {
                    **{name: one for name, one in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
                    "SERVING_CONTROL_TOKEN": CONTROL_TOKEN,
                    "OPSBOT_API_TOKEN": "api-token-of-tests",
                    "OPSBOT_PERSONAL_TOKEN": "personal-token-of-tests",
                }
                alone = folder / "alone.yaml"
                settings = yaml.safe_load((folder / "opsbot.yaml").read_text())
                alone.write_text(yaml.safe_dump({**settings, "data_dir": str(folder / "alone")}))
                opsbot = str(Path(sys.executable).with_name("opsbot"))
                run = (opsbot, "run", "look", "--cluster", "local", "--config")
                commands = {
                    "opsbot run, through a bot": (*run, str(folder / "opsbot.yaml")),
                    "opsbot run --standalone": (*run, str(alone), "--standalone"),
                    "chaos run": (str(CHAOS), "--no-version-check", "run", str(experiment(server.url, folder))),
                }
                taken: dict[str, list[float]] = {name: [] for name in commands}
                for number in range(rounds + 1):
                    for name, command in commands.items():
                        seconds = await asyncio.to_thread(timed, command, folder, environment)
                        # The first turn compiles byte code and makes the databases.
                        if number:
                            taken[name].append(seconds)
                return taken
            finally:
                await bot.close()


@click.command()
@click.option("--rounds", default=11, show_default=True, help="Turns of each command.")
def main(rounds: int) -> None:
    """Measure and print."""
    if not CHAOS.exists():
        raise SystemExit("Chaos Toolkit is not there: `scripts/setup-peers .peers chaos` installs it")
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    print(f"whole processes, medians of {rounds} in turns; a server with the tiny model on the same machine")
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(measure(rounds, Path(folder)))
    for name, seconds in taken.items():
        print(f"{name:30} {statistics.median(seconds) * 1e3:6.0f} ms  ({min(seconds):.2f} to {max(seconds):.2f} s)")
    bot, alone = (statistics.median(taken[name]) for name in list(taken)[:2])
    print(f"through a bot {bot:.2f} s (aim {AIM_BOT_S}), alone {alone:.2f} s (aim {AIM_ALONE_S})")
    sys.exit(0 if bot <= AIM_BOT_S and alone <= AIM_ALONE_S else 1)


if __name__ == "__main__":
    main()
