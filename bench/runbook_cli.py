"""How soon `opsbot --help` and `opsbot check` answer, beside Chaos Toolkit's `chaos --help` and `chaos validate`.

`python -m bench.runbook_cli`: whole processes from their start to their end, in turns, medians. What each checks is a
file of one query and one change with what undoes it. Neither side looks for a newer version of itself; the byte code
of both is compiled before. `scripts/setup-peers .peers chaos` installs Chaos Toolkit.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench.runbook_files import write_runbooks
from opsbot import __version__
from serving_stub.roofline.calibrate import processor

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "tests/data/runbooks/kv-cache-pressure.yaml"
AIM_RATIO, AIM_MANY_S = 1.0, 2.0
LIMIT_S = 60.0
EXPERIMENT: Mapping[str, object] = {
    "version": "1.0.0",
    "title": "Relieve KV cache pressure",
    "description": "Sequences are preempted because the batch is larger than the KV cache can carry.",
    "configuration": {"batch_limit": 8},
    "method": [
        {
            "type": "probe",
            "name": "current",
            "provider": {"type": "http", "timeout": 10, "url": "http://127.0.0.1:9/api/v1/query?query=usage"},
        },
        {
            "type": "action",
            "name": "smaller-batch",
            "provider": {
                "type": "http",
                "method": "POST",
                "timeout": 20,
                "url": "http://127.0.0.1:9/control/v1/leases",
                "arguments": {"knob": "batch_limit", "value": "${batch_limit}", "mode": "preempt"},
            },
        },
    ],
    "rollbacks": [
        {
            "type": "action",
            "name": "release",
            "provider": {"type": "http", "method": "DELETE", "url": "http://127.0.0.1:9/control/v1/leases/1"},
        }
    ],
}


@dataclass(slots=True)
class Side:
    """One command, and how long it took each time, in seconds."""

    name: str
    command: Sequence[str]
    took_s: list[float] = field(default_factory=list)

    def run(self, folder: Path, environ: Mapping[str, str]) -> float:
        """Run it once to its end; raises click.ClickException if it fails, so that no refusal is timed."""
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - the commands stand below
            self.command, cwd=folder, env=environ, capture_output=True, text=True, timeout=LIMIT_S
        )
        took = time.perf_counter() - began
        if done.returncode != 0:
            raise click.ClickException(f"{self.name} failed:\n{done.stdout}{done.stderr}")
        return took

    @property
    def median_s(self) -> float:
        return statistics.median(self.took_s)

    @property
    def row(self) -> str:
        p95 = sorted(self.took_s)[int(0.95 * (len(self.took_s) - 1))]
        return (
            f"| `{self.name}` | {self.median_s * 1e3:.0f} ms | {min(self.took_s) * 1e3:.0f} ms | {p95 * 1e3:.0f} ms |"
        )


def version_of(chaos: Path) -> str:
    """What `chaos --version` says."""
    if not chaos.exists():
        raise click.ClickException(f"{chaos} is not there; `scripts/setup-peers .peers chaos` installs it")
    done = subprocess.run([chaos, "--version"], capture_output=True, text=True, timeout=LIMIT_S, check=True)  # noqa: S603
    return done.stdout.strip().replace(",", "")


@click.command()
@click.option("--runbooks", "num_runbooks", type=click.IntRange(1, 5000), default=200, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=31, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--chaos", type=click.Path(path_type=Path), default=Path(".peers/chaos/bin/chaos"), show_default=True)
def main(num_runbooks: int, rounds: int, seed: int, chaos: Path) -> None:
    """Measure all commands in turns."""
    chaos = chaos.absolute()
    theirs, ours = version_of(chaos), Path(sys.executable).with_name("opsbot")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "experiment.json").write_text(json.dumps(EXPERIMENT), encoding="utf-8")
        (folder / "many").mkdir()
        num_expressions = write_runbooks(folder / "many", num_runbooks, seed)
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sides = [
            Side("opsbot --help", [str(ours), "--help"]),
            Side("chaos --help", [str(chaos), "--help"]),
            Side("opsbot check RUNBOOK", [str(ours), "check", str(RUNBOOK)]),
            Side("chaos validate EXPERIMENT", [str(chaos), "--no-version-check", "validate", "experiment.json"]),
            Side(f"opsbot check, {num_runbooks} runbooks", [str(ours), "check", "many"]),
        ]
        click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
        click.echo(f"software  opsbot {__version__}, {theirs}, Python {platform.python_version()}")
        size = sum(path.stat().st_size for path in (folder / "many").iterdir())
        click.echo(
            f"files     {num_runbooks} runbooks, {num_expressions} expressions, {size / 1e3:.0f} kB, seed {seed}"
        )
        click.echo(f"rounds    {rounds}, in turns, after one that is not counted\n")
        for side in sides:
            side.run(folder, environ)
        for _ in range(rounds):
            for side in sides:
                side.took_s.append(side.run(folder, environ))
    click.echo("| | median | fastest | p95 |")
    click.echo("| --- | --- | --- | --- |")
    for side in sides:
        click.echo(side.row)
    help_ours, help_theirs, check, validate, many = (side.median_s for side in sides)
    click.echo(
        f"\nopsbot / chaos: help {help_ours / help_theirs:.2f}, one file {check / validate:.2f} (aim: {AIM_RATIO:g})"
    )
    click.echo(f"{num_runbooks} runbooks: {many:.2f} s (aim: {AIM_MANY_S:g} s)")


if __name__ == "__main__":
    main()
