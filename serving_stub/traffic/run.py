"""A traffic run: users arrive when the scenario says, whether or not earlier ones were answered.

Beyond `max_outstanding` an arrival is skipped and counted, so that the generator itself cannot be drowned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass

from serving_stub.traffic.client import PromptSize, TrafficClient
from serving_stub.traffic.report import Line, Summary, Tally
from serving_stub.traffic.scenarios import Ask, Scenario, asks

LINE_S = 1.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes.

    Args:
        rate: requests per second at full load.
        prompt_tokens: about how many tokens a prompt has, chat template and all.
        drain_s: how long answers may take after arrivals have ended; the rest is cancelled.
    """

    scenario: Scenario
    rate: float
    seed: int
    duration_s: float
    max_outstanding: int
    max_tokens: int
    prompt_tokens: int
    is_drained: bool
    drain_s: float


async def run_traffic(
    client: TrafficClient,
    options: RunOptions,
    print_line: Callable[[Line], None],
    stop: asyncio.Event,
    monotonic: Callable[[], float],
) -> Summary:
    """Run until the duration is over or *stop* is set; then drain, or cancel what is outstanding.

    Raises: TrafficError if the server cannot be used at the start.
    """
    tally = Tally()
    size = await _unless_set(stop, client.prepare())
    started_at = monotonic()
    if size is None:
        return tally.summary(0.0, options.scenario.name, options.seed, options.rate)
    users: set[asyncio.Task[None]] = set()
    printing = asyncio.create_task(_print_lines(tally, print_line, started_at, monotonic))
    plan = asks(options.scenario, options.rate, options.duration_s, size.num_words(options.prompt_tokens), options.seed)
    try:
        was_stopped = await _arrive(plan, client, options, tally, users, stop, started_at, monotonic)
        if users and (options.is_drained or not was_stopped):
            await asyncio.wait(users, timeout=options.drain_s)
    finally:
        for user in users:
            user.cancel()
        # Counted here: a user that is cancelled before it starts cannot count itself.
        outcomes = await asyncio.gather(*users, return_exceptions=True)
        tally.cancelled += sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)
    return tally.summary(monotonic() - started_at, options.scenario.name, options.seed, options.rate)


async def _arrive(
    plan: Iterator[Ask],
    client: TrafficClient,
    options: RunOptions,
    tally: Tally,
    users: set[asyncio.Task[None]],
    stop: asyncio.Event,
    started_at: float,
    monotonic: Callable[[], float],
) -> bool:
    """Send every ask at its time; whether *stop* ended it early."""
    for ask in plan:
        if await _is_set_within(stop, started_at + ask.at_s - monotonic()):
            return True
        if tally.outstanding >= options.max_outstanding:
            tally.skipped += 1
            continue
        tally.sent += 1
        user = asyncio.create_task(client.ask(ask, options.max_tokens, tally, started_at))
        users.add(user)
        user.add_done_callback(users.discard)
    return await _is_set_within(stop, started_at + options.duration_s - monotonic())


async def _unless_set(stop: asyncio.Event, work: Coroutine[object, object, PromptSize]) -> PromptSize | None:
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


async def _is_set_within(stop: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, timeout_s))
    except TimeoutError:
        return stop.is_set()
    return True


async def _print_lines(
    tally: Tally, print_line: Callable[[Line], None], started_at: float, monotonic: Callable[[], float]
) -> None:
    next_s = LINE_S
    while True:
        await asyncio.sleep(max(0.0, started_at + next_s - monotonic()))
        print_line(tally.line(monotonic() - started_at))
        next_s += LINE_S
