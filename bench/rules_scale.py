"""Many rules over many series: one round's processor time and peak memory, beside Prometheus on the same numbers.

`make bench-watch` runs it last. A process with watch's store gets 15 minutes of samples at 1 s of 20,000 series, made
from a seed, and evaluates 1,000 rules at each second that follows; then a real Prometheus gets the same samples by
remote write and evaluates the same rule file every second. The two never run at the same time.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from bench.exporters import made
from bench.http_cost import spent
from bench.remote_write import write
from bench.scale_data import EXPOSED_AFTER_S, history, series_of
from bench.scale_rules import write_rules
from bench.watch import Side, process, ready, resident_bytes
from opsbot.demo.processes import free_port
from opsbot.source.exposition import Exposition
from serving_stub.roofline.calibrate import processor

AIM_S = 1.0
AIM_BYTES = 300e6
AHEAD_S = 60
"""How much of the history lies ahead when Prometheus gets it, so that its windows stay full while it is measured."""


def expose(folder: Path, num_targets: int, seed: int) -> int:
    """Write each target's exposition to *folder*; answers how many series there are."""
    found = 0
    for index, target in enumerate(made(num_targets, 2, seed)):
        for server in target.servers:
            for _ in range(EXPOSED_AFTER_S - 1):
                server.second()
        target.second()
        text = target.answer.split(b"\r\n\r\n", 1)[1].decode()
        (folder / f"cluster-{index:02d}.txt").write_text(text, encoding="utf-8")
        found += len(series_of(text))
    return found


def ours(folder: Path) -> Mapping[str, Any]:
    """What watch's side took, in a process of its own.

    Raises: ClickException if it ended with an error.
    """
    command = [sys.executable, "-m", "bench.rules_scale_watch", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (ourselves)
    if done.returncode:
        raise click.ClickException(done.stderr)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


async def peers(folder: Path, seconds: int, seed: int, measured_s: float) -> Mapping[str, float] | None:
    """The same of Prometheus; None where it is not installed."""
    binary = shutil.which("prometheus")
    if binary is None:
        return None
    port, rules = free_port(), folder / "active" / "rules.json"
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(folder / "active" / "*.json")]}
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")
    rules.parent.mkdir()
    command = [binary, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",
    ]
    async with process(folder, "prometheus", *command) as started, httpx.AsyncClient(trust_env=False) as http:
        side = await ready(
            Side("Prometheus", started.pid, f"http://127.0.0.1:{port}"), started, folder / "prometheus.log"
        )
        await asyncio.to_thread(_write_all, side.url, folder, seconds, seed)
        shutil.copy(folder / "rules.json", rules)
        (await http.post(f"{side.url}/-/reload", timeout=60.0)).raise_for_status()
        await asyncio.sleep(3.0)
        before = await _numbers(http, side.url), spent(started.pid)
        await asyncio.sleep(measured_s)
        after = await _numbers(http, side.url), spent(started.pid)
        rounds = (
            after[0]["prometheus_rule_group_iterations_total"] - before[0]["prometheus_rule_group_iterations_total"]
        )
        spent_s = after[1].main_s + after[1].others_s - before[1].main_s - before[1].others_s
        return {
            "rules": after[0]["prometheus_rule_group_rules"],
            "series": after[0]["prometheus_tsdb_head_series"],
            "rounds": rounds,
            "round_s": spent_s / max(rounds, 1e-9),
            "rss": resident_bytes(started.pid),
        }


def _write_all(url: str, folder: Path, seconds: int, seed: int) -> None:
    end_ms = (int(time.time()) + AHEAD_S) * 1000
    times_ms = np.arange(end_ms - (seconds - 1) * 1000, end_ms + 1, 1000, dtype=np.int64)
    for index, path in enumerate(sorted(folder.glob("cluster-*.txt"))):
        text = path.read_text(encoding="utf-8")
        exposition = Exposition({"cluster": path.stem, "instance": f"{path.stem}:80", "job": "serving"}, {})
        exposition.read(text)
        write(url, exposition.labels, times_ms, history(series_of(text), seconds, seed + index))


async def _numbers(http: httpx.AsyncClient, url: str) -> Mapping[str, float]:
    text = (await http.get(f"{url}/metrics")).raise_for_status().text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


@click.command()
@click.option("--rules", "num_rules", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--targets", "num_targets", type=click.IntRange(1), default=25, show_default=True, help="Of 804 series.")
@click.option("--seconds", type=click.IntRange(310), default=900, show_default=True, help="Of history at 1 s.")
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--measured", "measured_s", type=click.FloatRange(1, AHEAD_S - 20), default=30.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--peer/--no-peer", "with_peer", default=True, show_default=True, help="Prometheus beside it.")
def main(
    num_rules: int, num_targets: int, seconds: int, rounds: int, measured_s: float, seed: int, *, with_peer: bool
) -> None:
    """Measure a round of many rules."""
    click.echo(f"hardware  {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_series = expose(folder, num_targets, seed)
        num_distinct = write_rules(folder / "rules.json", num_rules, num_targets, seed)
        plan = {"end_s": int(time.time()), "seconds": seconds, "seed": seed, "rounds": rounds}
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        click.echo(f"rules     {num_rules}, of which {num_distinct} expressions differ; seed {seed}")
        click.echo(f"samples   {num_series} series over {seconds} s at 1 s\n")
        watch = ours(folder)
        peer = asyncio.run(peers(folder, seconds, seed, measured_s)) if with_peer else None
    _report(watch, peer)


def _report(watch: Mapping[str, Any], peer: Mapping[str, float] | None) -> None:
    click.echo("| | processor time a round | RSS | series | rules | firing |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    click.echo(
        f"| opsbot watch | {watch['median_s'] * 1e3:.0f} ms (most {watch['max_s'] * 1e3:.0f}, first "
        f"{watch['first_s'] * 1e3:.0f}) | {watch['peak_rss'] / 1e6:.0f} MB (peak) | {watch['series']} | "
        f"{watch['rules']} | {watch['firing']} |"
    )
    if peer is not None:
        click.echo(
            f"| Prometheus | {peer['round_s'] * 1e3:.0f} ms over {peer['rounds']:.0f} rounds | "
            f"{peer['rss'] / 1e6:.0f} MB | {peer['series']:.0f} | {peer['rules']:.0f} | |"
        )
    click.echo(f"\nrules that failed: {watch['failing']}")
    click.echo(f"a round within {AIM_S:g} s of one core: {'yes' if watch['median_s'] < AIM_S else 'no'}")
    click.echo(f"peak below {AIM_BYTES / 1e6:.0f} MB: {'yes' if watch['peak_rss'] < AIM_BYTES else 'no'}")
    if peer is not None:
        time_ratio, memory_ratio = watch["median_s"] / peer["round_s"], watch["peak_rss"] / peer["rss"]
        click.echo(f"ours / Prometheus: processor time a round {time_ratio:.2f}, memory {memory_ratio:.2f}")


if __name__ == "__main__":
    main()
