"""The same trace through the real engine on this processor and through the simulation of it.

First the steps of the real engine are measured over a small grid of other requests, and a step cost is fitted to them.
Then the trace is served twice, and what the requests felt is compared. The grid is measured again after the trace, and
the cost is fitted to both, since a machine's speed drifts.
`python -m bench.calibration` takes two minutes on an idle machine; on one that others use, `--clock processor` counts
what this process computes and leaves them out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
import torch

from bench.engine import print_table
from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.errors import CalibrationError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.lengths import Lengths
from serving_stub.roofline.calibrate import processor
from serving_stub.sim.build import build_simulated, sizes_like
from serving_stub.sim.calibration import FittedCost, MeasuredStep, fit
from serving_stub.sim.clock import VirtualClock
from serving_stub.sim.measure import measure_steps
from serving_stub.sim.real_clock import Clock, ProcessorClock, WallClock
from serving_stub.sim.replay import Replay, ratios, replay

MIX = Lengths(prompt_median=48, answer_median=16, prompt_spread=0.7, answer_spread=0.7)
LONGEST = 256
NUM_REQUESTS = 50
LOADS = (0.7, 3.0)
"""Shares of what the simulation finishes when all come at once; above 1 a queue forms."""
CONFIG = EngineConfig(max_num_seqs=8, max_num_batched_tokens=128, num_blocks=512, num_threads=1)
CLOCKS: dict[str, Callable[[], Clock]] = {"wall": WallClock, "processor": ProcessorClock}


@dataclass(frozen=True, slots=True)
class Compared:
    """One load, served twice."""

    load: float
    requests_per_s: float
    cost: FittedCost
    real: Replay
    simulated: Replay


def trace(num_requests: int, seed: int) -> list[Arrival]:
    """Poisson arrivals, one a second, with the lengths of `MIX`."""
    source = np.random.default_rng(seed)
    times = np.cumsum(source.exponential(1.0, num_requests)).tolist()
    prompts, answers = MIX.draw(source, num_requests, LONGEST)
    return [
        Arrival(at_s, "US", "tenant", "this", prompt, answer)
        for at_s, prompt, answer in zip(times, prompts.tolist(), answers.tolist(), strict=True)
    ]


def at_rate(arrivals: Sequence[Arrival], requests_per_s: float) -> list[Arrival]:
    """The same ones, so many a second."""
    return [replace(one, at_s=one.at_s / requests_per_s) for one in arrivals]


def simulate(real: Engine, cost: FittedCost, arrivals: Sequence[Arrival]) -> Replay:
    """Serve them in virtual time by an engine like *real*."""
    clock = VirtualClock()
    engine, _ = build_simulated(
        sizes_like(real, cost), clock.now, clock.advance, fixed_s=cost.fixed_s, prefill_s=cost.prefill_s
    )
    return replay(engine, arrivals, clock)


def compare(
    engine: Engine, new_clock: Callable[[], Clock], arrivals: Sequence[Arrival], loads: Sequence[float] = LOADS
) -> list[Compared]:
    """Serve *arrivals* at each load, and simulate with the cost that fits what was measured just before and after.

    Raises: CalibrationError where the machine was too busy for a fit.
    """
    found: list[Compared] = []
    before = _steps(engine, new_clock())
    for load in loads:
        all_at_once = simulate(engine, fit(before), [replace(one, at_s=0.0) for one in arrivals])
        requests_per_s = load * len(arrivals) / all_at_once.ended_s
        coming = at_rate(arrivals, requests_per_s)
        engine.reset()
        real = replay(engine, coming, new_clock())
        after = _steps(engine, new_clock())
        cost = fit([*before, *after])
        found.append(Compared(load, requests_per_s, cost, real, simulate(engine, cost, coming)))
        before = after
    return found


def _steps(engine: Engine, clock: Clock) -> list[MeasuredStep]:
    engine.reset()
    return measure_steps(engine, clock)


@click.command()
@click.option("--clock", "clock_name", type=click.Choice(list(CLOCKS)), default="wall", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--requests", type=click.IntRange(2), default=NUM_REQUESTS, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(clock_name: str, threads: int, requests: int, rounds: int, seed: int) -> None:
    """Compare, and print the conditions beside the figures."""
    config = replace(CONFIG, num_threads=threads)
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # says which products the engine chose
    engine, _ = build_engine(config)
    print(f"hardware  {processor()}, {os.cpu_count()} cores, {threads} threads, load {os.getloadavg()[0]:.2f}")
    print(f"software  torch {torch.__version__}; time by the {clock_name} clock")
    print(
        f"model     {engine.model_config.name}, {config.dtype}, batch limit {config.max_num_seqs}, "
        f"{config.max_num_batched_tokens} tokens a step, {config.num_blocks} KV blocks of {config.block_size}"
    )
    print(
        f"mix       {requests} Poisson arrivals, log-normal lengths (median prompt {MIX.prompt_median:g}, answer "
        f"{MIX.answer_median:g}, spread {MIX.prompt_spread:g}), seed {seed}"
    )
    arrivals, new_clock = trace(requests, seed), CLOCKS[clock_name]
    try:
        found = [one for _ in range(rounds) for one in compare(engine, new_clock, arrivals)]
    except CalibrationError as error:
        raise click.ClickException(
            f"{error}. Others may be on this machine: --clock processor leaves them out"
        ) from error
    for name, unit, values in (
        ("memory", "GB/s", [one.cost.bytes_per_s / 1e9 for one in found]),
        ("arithmetic", "GFLOP/s", [one.cost.flops_per_s / 1e9 for one in found]),
        ("fixed", "ms a step", [one.cost.fixed_s * 1e3 for one in found]),
        ("prefill", "ms a step with prompts beside", [one.cost.prefill_s * 1e3 for one in found]),
        ("error", "% of a step, mean", [one.cost.mean_error * 100 for one in found]),
    ):
        print(f"fit       {name} {np.median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})")
    for load in LOADS:
        mine = [one for one in found if one.load == load]
        rate = float(np.median([one.requests_per_s for one in mine]))
        print(f"\nload {load:g}: {rate:.2f} requests/s; medians of {rounds} rounds")
        rows = [_row(name, mine) for name in mine[0].real.figures]
        print_table(["", "real", "simulated", "simulated / real", "lowest, highest"], rows)
    print(f"\nload after {os.getloadavg()[0]:.2f}")


def _row(name: str, rounds: Sequence[Compared]) -> list[str]:
    many = sorted(ratios(one.simulated, one.real)[name] for one in rounds)
    real, simulated = (
        float(np.median([replay.figures[name] for replay in replays]))
        for replays in ([one.real for one in rounds], [one.simulated for one in rounds])
    )
    texts = [f"{x:.1f}" if name == "tokens/s" else f"{x * 1e3:.0f} ms" for x in (real, simulated)]
    return [name, *texts, f"{np.median(many):.2f}", f"{many[0]:.2f}, {many[-1]:.2f}"]


if __name__ == "__main__":
    main()
