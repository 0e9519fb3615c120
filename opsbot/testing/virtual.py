"""Virtual time: an event loop that never waits. When nothing is left to do now, its clock jumps to the next timer.

Threads would make time depend on the machine, so what is meant for one runs at once, in the loop's own thread.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, TypeVarTuple, cast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_S = 1_767_225_600.0
"""When every test begins: 2026-01-01 00:00 UTC."""
_TICKS_PER_S = 1024
"""Times are whole ticks: sums with whole seconds are then exact, so that a deadline is met and not missed by an ulp."""


class NothingLeft(RuntimeError):
    """Everything waits, and no timer will end that: a mistake in the program that ran here."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and moves only in jumps."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        super().__init__(cast(selectors.BaseSelector, _Jump(self)))

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._passed_s

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_s += seconds

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run it here and now. What it raises is the future's, but an end of the process ends whoever called."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class VirtualClock:
    """Implements Clock in the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Seconds since the epoch."""
        return START_S + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return round(self._loop.time() * _TICKS_PER_S) / _TICKS_PER_S


class _Jump:
    """A selector that never blocks: instead of waiting for files, it lets the loop's time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingLeft("every task waits, and there is no timer that would wake one")
        if timeout > 0:
            self._loop.jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
