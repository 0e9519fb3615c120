"""A traffic run: users arrive when the plan says, whether or not earlier ones were answered.

Beyond `max_outstanding` an arrival is skipped and counted, so that the generator itself cannot be drowned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from serving_stub.traffic.account_feed import AccountFeed, SignUp
from serving_stub.traffic.ask import Ask
from serving_stub.traffic.client import PromptSize, TrafficClient
from serving_stub.traffic.report import Summary
from serving_stub.traffic.tally import Tally

LINE_S = 1.0
_USER = "user"
"""Name of the tasks that count as outstanding; sign-ups do not."""

Plan = Callable[[PromptSize], Iterator[Ask | SignUp]]
"""The arrivals of a run in order of time, for a server that counts prompts so."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes.

    Args:
        name, rate, seed: of the plan, for the summary; *rate* is requests per second at full load.
        drain_s: how long answers may take after arrivals have ended; the rest is cancelled.
        probe_key: to learn how the server counts prompts with, where it wants a key.
    """

    name: str
    rate: float
    seed: int
    duration_s: float
    max_outstanding: int
    max_tokens: int
    is_drained: bool
    drain_s: float
    probe_key: SecretStr | None = None


async def run_traffic(
    client: TrafficClient,
    feed: AccountFeed,
    plan: Plan,
    options: RunOptions,
    tally: Tally,
    show: Callable[[float], object],
    stop: asyncio.Event,
    monotonic: Callable[[], float],
) -> Summary:
    """Run until the duration is over or *stop* is set; then drain, or cancel what is outstanding.

    Args:
        show: called every second with the seconds since the start.
    Raises: TrafficError if the server cannot be used at the start.
    """
    size = await _unless_set(stop, client.prepare(options.probe_key))
    started_at = monotonic()
    if size is None:
        return tally.summary(0.0, options.name, options.seed, options.rate)
    users: set[asyncio.Task[None]] = set()
    showing = asyncio.create_task(_show(show, started_at, monotonic))

    def begin(arrival: Ask | SignUp) -> Coroutine[object, object, None] | None:
        tally.late.add(max(0.0, monotonic() - started_at - arrival.at_s))
        if isinstance(arrival, SignUp):
            return feed.post(arrival, tally)
        if tally.outstanding >= options.max_outstanding:
            tally.skipped += 1
            return None
        tally.send(arrival)
        return client.ask(arrival, options.max_tokens, tally, started_at)

    try:
        was_stopped = await _arrive(plan(size), begin, options, users, stop, started_at, monotonic)
        if users and (options.is_drained or not was_stopped):
            await asyncio.wait(users, timeout=options.drain_s)
    finally:
        for user in users:
            user.cancel()
        # Counted here: a user that is cancelled before it starts cannot count itself.
        waited_for = list(users)
        outcomes = await asyncio.gather(*waited_for, return_exceptions=True)
        tally.cancelled += sum(
            isinstance(outcome, asyncio.CancelledError) and user.get_name() == _USER
            for user, outcome in zip(waited_for, outcomes, strict=True)
        )
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
    return tally.summary(monotonic() - started_at, options.name, options.seed, options.rate)


async def _arrive(
    plan: Iterator[Ask | SignUp],
    begin: Callable[[Ask | SignUp], Coroutine[object, object, None] | None],
    options: RunOptions,
    users: set[asyncio.Task[None]],
    stop: asyncio.Event,
    started_at: float,
    monotonic: Callable[[], float],
) -> bool:
    """Begin every arrival at its time; whether *stop* ended it early."""
    for arrival in plan:
        if await _is_set_within(stop, started_at + arrival.at_s - monotonic()):
            return True
        work = begin(arrival)
        if work is None:
            continue
        user = asyncio.create_task(work, name=_USER if isinstance(arrival, Ask) else None)
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


async def _show(show: Callable[[float], object], started_at: float, monotonic: Callable[[], float]) -> None:
    next_s = LINE_S
    while True:
        await asyncio.sleep(max(0.0, started_at + next_s - monotonic()))
        show(monotonic() - started_at)
        next_s += LINE_S
