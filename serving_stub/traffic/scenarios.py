"""Scenarios: when users arrive and what they ask, as a function of a seed and nothing else.

Arrivals are a Poisson process whose rate changes over time, so they bunch as real users do; they never wait for
answers. An arrival is one request, or a conversation of several with pauses between.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.day import BUSIEST, loads
from serving_stub.traffic.persona import Persona, Population
from serving_stub.traffic.words import prompt

RAMP_S = 5.0
"""Time in which a launch spike grows to its full rate."""

SHARED, SHARED_AT_LAUNCH = 0.2, 0.35
"""Share of the prompts that begin with one of a few texts."""

LONG_SHARE = 0.15
"""Of the prompts of `long_context`."""

STORM_BASE = 0.5
STORM_PULSE = (0.2, 0.35)
"""A retry storm has half its rate but for this part of the run: what follows the pulse is the clients' own doing."""

MOST_TURNS = 6
MEAN_TURNS = (1 + MOST_TURNS) / 2
PAUSE_S = (2.0, 40.0)
"""Idle time between the turns of a conversation: long enough to be evicted on a busy server."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked for how long.

    Args:
        rate: of the full load, requests per second.
        num_words: of each prompt.
        num_long_words: of a very long one.
        day_s: seconds that a day of the plan takes.
    """

    rate: float
    duration_s: float
    num_words: int
    seed: int
    num_long_words: int = 1000
    day_s: float = 86_400.0


Person = Callable[[str | None], Persona]
"""Draws somebody of a country, or of any."""

AsksAt = Callable[[float, Load, random.Random, Person], Sequence[Ask]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who arrives when, and what they ask.

    Args:
        rate_at: arrivals per second at a time, as a share of the full rate; never more than 1.
        asks_at: the requests of one arrival in order of time, the first at its time.
        mean_asks: how many requests an arrival has on average.
    """

    name: str
    help: str
    rate_at: Callable[[float, Load], float]
    asks_at: AsksAt
    mean_asks: float = 1.0


def asks(scenario: Scenario, load: Load, population: Population) -> Iterator[Ask]:
    """The requests of one run in order of time; the same arguments give the same requests."""
    arrivals = random.Random(f"{load.seed}:arrivals")
    content = random.Random(f"{load.seed}:content")
    people = random.Random(f"{load.seed}:people")
    later: list[tuple[float, int, Ask]] = []
    number = 0
    at_s = 0.0
    while True:
        # Thinning: draw at the full rate, keep each arrival with the share that holds at its time.
        at_s += arrivals.expovariate(load.rate / scenario.mean_asks)
        while later and later[0][0] < min(at_s, load.duration_s):
            yield heappop(later)[2]
        if at_s >= load.duration_s:
            return
        if arrivals.random() < scenario.rate_at(at_s, load):
            for ask in scenario.asks_at(at_s, load, content, lambda country: population.draw(people, country)):
                heappush(later, (ask.at_s, number, ask))
                number += 1


def _always(at_s: float, load: Load) -> float:
    return 1.0


def _one(shared_prefix_share: float) -> AsksAt:
    def asks_at(at_s: float, load: Load, content: random.Random, person: Person) -> Sequence[Ask]:
        text = prompt(content, load.num_words, shared_prefix_share)
        return [Ask(at_s, text, content.randrange(2**31), person(None))]

    return asks_at


def _by_country(at_s: float, load: Load, content: random.Random, person: Person) -> Sequence[Ask]:
    by_country = loads(24 * at_s / load.day_s)
    country = content.choices(list(by_country), list(by_country.values()))[0]
    return [Ask(at_s, prompt(content, load.num_words, SHARED), content.randrange(2**31), person(country))]


def _short_or_long(at_s: float, load: Load, content: random.Random, person: Person) -> Sequence[Ask]:
    is_long = content.random() < LONG_SHARE
    num_words = load.num_long_words if is_long else load.num_words
    # A very long prompt shares nothing: every one of its blocks is its own.
    text = prompt(content, num_words, 0.0 if is_long else SHARED)
    return [Ask(at_s, text, content.randrange(2**31), person(None), label="long" if is_long else "short")]


def _talk(at_s: float, load: Load, content: random.Random, person: Person) -> Sequence[Ask]:
    who = person(None)
    conversation = f"conversation-{content.randrange(2**48):012x}"
    turns = []
    for turn in range(1, content.randint(1, MOST_TURNS) + 1):
        text = prompt(content, load.num_words, SHARED if turn == 1 else 0.0)
        seed = content.randrange(2**31)
        turns.append(Ask(at_s, text, seed, who, label=f"turn {turn}", conversation=conversation))
        at_s += content.uniform(*PAUSE_S)
    return turns


def _storm(at_s: float, load: Load) -> float:
    start, end = STORM_PULSE
    return 1.0 if start <= at_s / load.duration_s < end else STORM_BASE


_ALL = (
    Scenario("steady", "the same rate all the time", _always, _one(SHARED)),
    Scenario(
        "launch_spike",
        "grows to the full rate within seconds, more users with a shared beginning",
        lambda at_s, load: min(1.0, 0.1 + at_s / RAMP_S),
        _one(SHARED_AT_LAUNCH),
    ),
    Scenario(
        "diurnal",
        "each country by its own day; Japan overtakes the United States",
        lambda at_s, load: sum(loads(24 * at_s / load.day_s).values()) / BUSIEST,
        _by_country,
    ),
    Scenario("long_context", "short prompts, and one in seven very long: the KV cache fills", _always, _short_or_long),
    Scenario("retry_storm", "refused and slow requests come again, so that failures make load", _storm, _one(SHARED)),
    Scenario(
        "conversations",
        "several turns with growing history and idle pauses",
        _always,
        _talk,
        mean_asks=MEAN_TURNS,
    ),
)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
