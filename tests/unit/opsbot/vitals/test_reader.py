"""The reader: one round for all who ask, a deadline, and what is missing is said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from opsbot.capacity.grid import Element
from opsbot.capacity.hardware import Figures
from opsbot.clock import SystemClock
from opsbot.errors import ActionError, SourceError
from opsbot.promql.evaluate import query
from opsbot.source.prometheus import Sample
from opsbot.vitals.question import PAST, QUESTIONS
from opsbot.vitals.reader import VitalsReader
from opsbot.vitals.remembered import Remembered
from tests.support.fleet_samples import BUSY, PLAIN, store_of
from tests.support.watching import StepClock

NOW = 1_000_000.0


@dataclass
class Source:
    """Evaluates for real, after *pauses_s*, and refuses *refused*; both by the question's name."""

    pauses_s: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def query(self, text: str) -> Sequence[Element]:
        return await self.query_at(text, NOW)

    async def query_at(self, text: str, at_s: float) -> Sequence[Element]:
        name = next(name for name, question in QUESTIONS.items() if question == text)
        self.asked.append((name, at_s))
        await asyncio.sleep(self.pauses_s.get(name, 0.0))
        if name in self.refused:
            raise SourceError(self.refused[name])
        value = query(text, store_of([BUSY, PLAIN], NOW), at_s)
        assert not isinstance(value, float)
        return [Sample(dict(one.labels), one.value) for one in value]


def reader(source: Source, clock: StepClock | None = None, deadline_s: float = 2.0) -> VitalsReader:
    """A reader of two clusters."""
    return VitalsReader(source, clock or StepClock(NOW), Figures(None, "bf16"), ["eu-1"], deadline_s=deadline_s)


async def test_fifty_who_ask_cost_one_round() -> None:
    """At the same time, and within the seconds after; then it is asked anew."""
    source, clock = Source(), StepClock(NOW)
    one = reader(source, clock)
    fleets = await asyncio.gather(*(one.fleet() for _ in range(50)))
    assert len(source.asked) == len(QUESTIONS)
    assert all(fleet is fleets[0] for fleet in fleets)
    clock.advance(2.9)
    assert await one.fleet() is fleets[0]
    clock.advance(0.2)
    assert await one.fleet() is not fleets[0]
    assert len(source.asked) == 2 * len(QUESTIONS)


async def test_the_past_is_asked_at_its_time() -> None:
    """Ten minutes before, and only what figures need."""
    source = Source()
    before = await reader(source).before()
    assert sorted(source.asked) == sorted((name, NOW - 600) for name in PAST)
    assert before.at == NOW - 600
    assert before.clusters["eu-1"].waiting == 1


async def test_one_who_gives_up_leaves_the_others_waiting() -> None:
    """A closed dialog must not take the answer from App Home."""
    one = reader(Source(pauses_s={"load": 0.05}))
    first, second = asyncio.create_task(one.fleet()), asyncio.create_task(one.fleet())
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).clusters["eu-1"].waiting == 14


async def test_a_slow_question_is_missing_and_the_rest_is_there() -> None:
    """The deadline bounds the whole; nothing takes the place of what did not come."""
    fleet = await reader(Source(pauses_s={"latency": 5.0}), deadline_s=0.2).fleet()
    assert fleet.missing == ("latency: no answer within 0.2 s",)
    assert not fleet.is_whole
    busy = fleet.clusters["eu-1"]
    assert (busy.waiting, busy.kv_ratio, busy.ttft_s) == (14, 0.93, None)


async def test_a_refused_question_does_not_take_the_others_along() -> None:
    """Some server may not know a function of one of them."""
    fleet = await reader(Source(refused={"share of capacity": "no such function"})).fleet()
    assert fleet.missing == ("share of capacity: no such function",)
    assert fleet.clusters["eu-1"].used_ratio is None
    assert fleet.clusters["eu-1"].tokens_per_min == pytest.approx(60_000, rel=0.01)


async def test_a_source_that_refuses_everything_leaves_blind_clusters() -> None:
    """One sentence, not five."""
    fleet = await reader(Source(refused=dict.fromkeys(QUESTIONS, "away"))).fleet()
    assert fleet.missing == ("all numbers: away",)
    assert [(name, one.sight) for name, one in fleet.clusters.items()] == [("eu-1", "blind")]


class _NoControl:
    has_fleet = True

    async def leases_in_force(self, place: str) -> Sequence[object]:
        raise ActionError(f"{place} cannot be reached")


async def test_leases_that_cannot_be_asked_are_one_sentence() -> None:
    """Of many clusters it is mostly the same reason."""
    names = [f"c-{number}" for number in range(6)]
    one = VitalsReader(Source(), StepClock(NOW), Figures(None, "bf16"), names, _NoControl())  # type: ignore[arg-type]
    fleet = await one.fleet()
    assert fleet.missing == ("leases of c-0, c-1, c-2 and 4 more: c-0 cannot be reached",)
    assert fleet.leases is None


async def test_what_fails_is_asked_again_at_once() -> None:
    """An error is not remembered."""
    asked: list[int] = []

    async def ask() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise ValueError("first")
        return len(asked)

    one = Remembered(ask, 60.0, SystemClock())
    with pytest.raises(ValueError, match="first"):
        await one.get()
    assert [await one.get(), await one.get()] == [2, 2]
