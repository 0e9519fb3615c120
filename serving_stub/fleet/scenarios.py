"""Fleet scenarios: who asks how much when, as a function of a seed and nothing else, at hundreds of requests a second.

Arrivals are a Poisson process whose rate changes over time. They are drawn in windows of a few thousand, so a long run
needs little memory and no noticeable time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving_stub.errors import SettingError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.lengths import CODING, CONVERSATION, WRITING, Lengths
from serving_stub.fleet.spec import FleetEvent, FleetSpec, Lost, Restored
from serving_stub.traffic.day import BUSIEST, loads

WINDOW = 2000
"""Arrivals that are drawn at a time, about."""
WINDOWS_PER_HOUR = 4
"""At least, since the mix of countries is constant within a window."""
NUM_TENANTS = 200

QUIET, LAUNCHED, AT_END = 0.15, 0.6, 1.5
LAUNCH_AT, LAUNCH_TAKES = 0.1, 0.02
"""Shares of the run: when the launch is, and how long the jump takes that follows."""

GROWTH_PER_HOUR = 0.04
GROWS_FROM, GROWS_TO = 0.6, 1.5

REGION_LOST_AT, REGION_BACK_AT = 0.3, 0.7
"""Shares of the run."""

JAPAN_LEADS_AT_H = 7.0
"""By then; `traffic.day` has Japan overtake the United States in the seventh hour."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FleetLoad:
    """How much is asked for how long.

    Args:
        rate: requests a second where a scenario's rate is 1: what the fleet can just serve, if the run is to show
            what its scenario is named after.
        models: share of the requests by model; any positive numbers.
        longest: tokens of prompt and answer together; the smallest `max_model_len` of the fleet.
        day_s: seconds that a day of the plan takes.
    Raises: SettingError if one of them is not positive, or no model has a share.
    """

    rate: float
    duration_s: float
    seed: int
    models: Mapping[str, float]
    longest: int = 4096
    day_s: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("rate", "duration_s", "day_s"):
            number = getattr(self, name)
            if not 0 < number < float("inf"):
                raise SettingError(f"{name} is {number}, expected a number above 0")
        if self.longest < 2:
            raise SettingError(f"longest is {self.longest}, expected 2 or more: a token to read and one to write")
        if not self.models or not all(0 < share < float("inf") for share in self.models.values()):
            raise SettingError("models needs at least one model, each with a share above 0")

    def hour(self, at_s: float) -> float:
        """The plan's hour."""
        return 24.0 * at_s / self.day_s


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that people outside noticed, and that explains what follows."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class FleetScenario:
    """Who arrives when.

    Args:
        rate_at: times [n] → rates [n], where 1 is the load's rate.
        peak: no rate is above it.
        marks: by time; those after the run's end are left out.
        lengths_at: kinds of request and their shares at a share of the run.
        loses_region: whether `events` has any.
    """

    name: str
    help: str
    rate_at: Callable[[Floats, FleetLoad], Floats]
    peak: float
    marks: Callable[[FleetLoad], tuple[Mark, ...]]
    lengths_at: Callable[[float], tuple[tuple[Lengths, float], ...]] = lambda part: ((CONVERSATION, 1.0),)
    loses_region: bool = False


def arrivals(scenario: FleetScenario, load: FleetLoad) -> Iterator[Arrival]:
    """The requests of a run by time; the same arguments give the same requests."""
    source = np.random.default_rng([load.seed % 2**63, *scenario.name.encode()])
    models = list(load.models)
    model_shares = _shares(np.array(list(load.models.values()), dtype=np.float64))
    # Few tenants ask much and many ask little: the n-th asks 1/n as much as the first.
    tenant_shares = _shares(1.0 / np.arange(1, NUM_TENANTS + 1))
    tenants = [f"tenant-{number:03d}" for number in range(1, NUM_TENANTS + 1)]
    highest = load.rate * scenario.peak
    window_s = min(WINDOW / highest, load.day_s / 24 / WINDOWS_PER_HOUR)
    for number in range(int(np.ceil(load.duration_s / window_s))):
        start_s = number * window_s
        width_s = max(0.0, min(window_s, load.duration_s - start_s))
        # Thinning: draw at the highest rate, keep each with the share that holds at its time.
        times = start_s + width_s * np.sort(source.random(int(source.poisson(highest * width_s))))
        times = times[source.random(len(times)) * scenario.peak < scenario.rate_at(times, load)]
        num = len(times)
        by_country = loads(load.hour(start_s + width_s / 2))
        countries = list(by_country)
        country_of = source.choice(len(countries), num, p=_shares(np.array(list(by_country.values()))))
        tenant_of = source.choice(NUM_TENANTS, num, p=tenant_shares)
        model_of = source.choice(len(models), num, p=model_shares)
        prompts, answers = _lengths(scenario, source, num, start_s / load.duration_s, load.longest)
        rows = zip(
            times.tolist(),
            country_of.tolist(),
            tenant_of.tolist(),
            model_of.tolist(),
            prompts.tolist(),
            answers.tolist(),
            strict=True,
        )
        for at_s, country, tenant, model, prompt, answer in rows:
            yield Arrival(at_s, countries[country], tenants[tenant], models[model], prompt, answer)


def marks(scenario: FleetScenario, load: FleetLoad) -> tuple[Mark, ...]:
    """What was noticed outside during the run."""
    return tuple(mark for mark in scenario.marks(load) if mark.at_s < load.duration_s)


def events(scenario: FleetScenario, load: FleetLoad, fleet: FleetSpec) -> tuple[FleetEvent, ...]:
    """What the scenario does to the fleet beside the file's own events: in `region_lost` the largest region goes and
    comes back; nothing in the others.
    """
    if not scenario.loses_region:
        return ()
    sizes: dict[str, float] = {}
    for one in fleet.clusters:
        sizes[one.region] = sizes.get(one.region, 0.0) + one.capacity_tokens_per_s
    gone = fleet.named(max(sizes, key=lambda region: sizes[region]))
    return (Lost(REGION_LOST_AT * load.duration_s, gone), Restored(REGION_BACK_AT * load.duration_s, gone))


def _shares(parts: Floats) -> Floats:
    return np.asarray(parts / parts.sum(), dtype=np.float64)


def _lengths(
    scenario: FleetScenario, source: np.random.Generator, num: int, part: float, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    kinds = scenario.lengths_at(part)
    kind_of = source.choice(len(kinds), num, p=_shares(np.array([share for _, share in kinds])))
    prompts, answers = np.ones(num, np.int64), np.ones(num, np.int64)
    for number, (lengths, _) in enumerate(kinds):
        meant = kind_of == number
        prompts[meant], answers[meant] = lengths.draw(source, int(meant.sum()), longest)
    return prompts, answers


def _launch(times: Floats, load: FleetLoad) -> Floats:
    part = times / load.duration_s
    jumped = LAUNCH_AT + LAUNCH_TAKES
    return np.interp(part, [0.0, LAUNCH_AT, jumped, 1.0], [QUIET, QUIET, LAUNCHED, AT_END])


def _launch_marks(load: FleetLoad) -> tuple[Mark, ...]:
    at_s = LAUNCH_AT * load.duration_s
    return (
        Mark(at_s, "the launch is announced"),
        Mark(at_s + 0.1 * load.duration_s, "a news site has it on its front page"),
    )


def _diurnal(times: Floats, load: FleetLoad) -> Floats:
    grid = np.arange(0.0, 24.01, 0.5)
    return np.interp(24 * times / load.day_s % 24, grid, [sum(loads(float(hour)).values()) / BUSIEST for hour in grid])


def _japan(load: FleetLoad) -> tuple[Mark, ...]:
    return (Mark(JAPAN_LEADS_AT_H / 24 * load.day_s, "Japan asks more than the United States"),)


def _growing(times: Floats, load: FleetLoad) -> Floats:
    grown: Floats = np.minimum(GROWS_TO, GROWS_FROM * (1 + GROWTH_PER_HOUR) ** (24 * times / load.day_s))
    return grown


def _flat(level: float) -> Callable[[Floats, FleetLoad], Floats]:
    return lambda times, load: np.full(len(times), level)


def _no_marks(load: FleetLoad) -> tuple[Mark, ...]:
    return ()


def _reading_then_writing(part: float) -> tuple[tuple[Lengths, float], ...]:
    """From much reading to much writing over the run."""
    return ((CODING, 1.0 - part), (WRITING, part), (CONVERSATION, 0.5))


_ALL = (
    FleetScenario("launch_day", "quiet, then a launch whose growth outruns capacity", _launch, AT_END, _launch_marks),
    FleetScenario(
        "japan_overtakes", "each country by its own day; Japan overtakes the United States", _diurnal, 1.0, _japan
    ),
    FleetScenario(
        "region_lost",
        "an even load, and the largest region is gone for a while",
        _flat(0.8),
        0.8,
        lambda load: (Mark(REGION_LOST_AT * load.duration_s, "a region cannot be reached"),),
        loses_region=True,
    ),
    FleetScenario(
        "gpu_mixed",
        "an even load that turns from reading to writing, so that other GPUs become the bottleneck",
        _flat(0.8),
        0.8,
        _no_marks,
        _reading_then_writing,
    ),
    FleetScenario("slow_growth", "4 % more each hour, until the fleet is full", _growing, GROWS_TO, _no_marks),
)
FLEET_SCENARIOS: Mapping[str, FleetScenario] = {scenario.name: scenario for scenario in _ALL}
