"""`python -m serving_stub fleet FILE`: a fleet over HTTP in real time, or a scenario over it in virtual time."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import SecretStr

from serving_stub.config import CONTROL_TOKEN_ENV, state_home
from serving_stub.errors import ServingError, SettingError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.lengths import CONVERSATION
from serving_stub.fleet.scenarios import FLEET_SCENARIOS, FleetLoad, Mark, arrivals, events, marks
from serving_stub.fleet.spec import LAUNCH_DAY, FleetEvent, FleetSpec, load_fleet
from serving_stub.fleet.trace import read_trace

_WRONG_SETTING = 2
_VIRTUAL_S = 120.0
_REAL_S = 600.0


@dataclass(frozen=True, slots=True)
class _Played:
    """What happens to a fleet: who asks, what breaks, and what people notice of it."""

    name: str
    title: str
    arrivals: Iterable[Arrival] = ()
    events: tuple[FleetEvent, ...] = ()
    marks: tuple[Mark, ...] = ()
    duration_s: float = 0.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=LAUNCH_DAY)
@click.option("--virtual", is_flag=True, help="No server: a scenario in virtual time, and a table of what came of it.")
@click.option(
    "--scenario",
    type=click.Choice(sorted(FLEET_SCENARIOS)),
    help="Simulated load [default: launch_day in virtual time, none over HTTP].",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Simulated load from a file of JSON lines instead.")
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(1),
    help=f"Seconds of the scenario [default: {_VIRTUAL_S:g} in virtual time, {_REAL_S:g} over HTTP].",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests/s [default: what the roof allows].")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--step-overhead-ms", type=click.FloatRange(0), default=2.0, show_default=True, help="Beyond the roof.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures of virtual time as JSON.")
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes a free one [default: 8100].")
@click.option(
    "--state-dir", type=click.Path(path_type=Path), help="Folder that keeps leases [default: below ~/.local/state]."
)
@click.option("--door", type=click.Path(path_type=Path), help="YAML file of every front door's settings.")
@click.option("--tenants", type=click.Path(path_type=Path), help="File of tenants and their API keys.")
@click.option("--control-tokens", type=click.Path(path_type=Path), help="File of control tokens with scopes.")
@click.option("--grace-s", type=click.FloatRange(0, 600), help="Seconds that streams get when stopped [default: 5].")
def fleet(
    file: Path,
    *,
    virtual: bool,
    scenario: str | None,
    trace: Path | None,
    duration_s: float | None,
    rate: float | None,
    seed: int,
    step_overhead_ms: float,
    as_json: bool,
    **served: object,
) -> None:
    """Serve the fleet in FILE over HTTP [default: the shipped one of 24 clusters], or simulate it in virtual time.

    Every cluster has the real front door, scheduler, block manager, metrics and control API; steps last as long as
    the roofline says. The control APIs' token comes from SERVING_CONTROL_TOKEN.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        spec = load_fleet(file)
        if virtual:
            _refuse_options(served)
            _simulate(
                spec,
                _played(spec, scenario or "launch_day", trace, duration_s or _VIRTUAL_S, rate, seed),
                seed,
                step_overhead_ms / 1000,
                as_json=as_json,
            )
        else:
            _serve(
                spec,
                _played(spec, scenario, trace, duration_s or _REAL_S, rate, seed),
                {**served, "seed": seed, "step_overhead_s": step_overhead_ms / 1000},
            )
    except ServingError as error:
        click.echo(f"serving_stub: {error}", err=True)
        sys.exit(_WRONG_SETTING)


def _refuse_options(served: dict[str, object]) -> None:
    useless = [f"--{name.replace('_', '-')}" for name, value in served.items() if value is not None]
    if useless:
        raise SettingError(f"{', '.join(useless)}: nothing is served in virtual time, so leave it out beside --virtual")


def _played(
    spec: FleetSpec, scenario: str | None, trace: Path | None, duration_s: float, rate: float | None, seed: int
) -> _Played:
    if trace is not None:
        read = read_trace(trace)
        for problem in read.problems:
            click.echo(f"serving_stub: {problem}", err=True)
        if read.num_problems:
            click.echo(f"serving_stub: {read.num_problems} lines of {trace} are no arrivals", err=True)
        if not read.arrivals:
            raise SettingError(f"{trace}: there is no arrival in it")
        return _Played(
            trace.name, f"the trace {trace.name}", read.arrivals, duration_s=max(1.0, read.arrivals[-1].at_s)
        )
    if scenario is None:
        return _Played("none", "no load")
    chosen = FLEET_SCENARIOS[scenario]
    load = _load(spec, rate, duration_s, seed)
    title = f"{scenario}, {load.rate:.0f} requests/s at the plan's 1, {duration_s:g} s, seed {seed}"
    return _Played(scenario, title, arrivals(chosen, load), events(chosen, load, spec), marks(chosen, load), duration_s)


def _load(spec: FleetSpec, rate: float | None, duration_s: float, seed: int) -> FleetLoad:
    share = dict.fromkeys(spec.models, 0.0)
    for cluster in spec.clusters:
        share[cluster.model.name] += cluster.requests_per_s(*CONVERSATION.means)
    longest = min(cluster.sizes.max_model_len for cluster in spec.clusters)
    return FleetLoad(rate or sum(share.values()), duration_s, seed, share, longest=longest, day_s=duration_s)


def _simulate(spec: FleetSpec, played: _Played, seed: int, step_overhead_s: float, *, as_json: bool) -> None:
    # Here and not above: it brings torch, which other commands need not wait for.
    from serving_stub.sim.virtual_run import run_virtual

    run_virtual(
        spec,
        played.arrivals,
        (*spec.events, *played.events),
        scenario=played.name,
        title=played.title,
        marks=played.marks,
        duration_s=played.duration_s,
        seed=seed,
        step_overhead_s=step_overhead_s,
        as_json=as_json,
    )


def _serve(spec: FleetSpec, played: _Played, given: dict[str, object]) -> None:
    from serving_stub.fleet_api.service import FleetSettings, run_fleet

    token = os.environ.get(CONTROL_TOKEN_ENV) or None
    if token is None and given.get("control_tokens") is None:
        logging.getLogger(__name__).warning("%s is not set: the control APIs are off", CONTROL_TOKEN_ENV)
    known = {name: value for name, value in given.items() if value is not None}
    known.setdefault("state_dir", state_home() / f"fleet-{spec.name}-{known.get('port', 8100)}")
    settings = FleetSettings.model_validate({**known, "control_token": None if token is None else SecretStr(token)})
    for mark in played.marks:
        click.echo(f"serving_stub: {mark.at_s:.0f} s after the start: {mark.text}")
    run_fleet(spec, settings, click.echo, arrivals=played.arrivals, events=played.events)
