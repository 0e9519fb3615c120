"""The bridge between the engine's thread and asyncio: submit, stream, cancel.

The thread owns the engine and the list of who listens. Others leave commands in a queue that is emptied before each
step; with nothing to do the thread sleeps. If a step raises, the thread dies: every request that it knew ends with
`crash`, `stats().is_alive` turns false, and its supervisor starts another after a wait that grows with each death.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import (
    BatchMode,
    EngineObserver,
    EngineStats,
    FinishReason,
    GenerationRequest,
    RequestRefused,
    TokenChunk,
)

logger = logging.getLogger(__name__)

Command = Callable[[], None]

IDLE_S = 0.005
"""Between two looks when there is work that cannot be done."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
"""Before the thread is started again: the first time, and after it has died over and over."""
HEALTHY_S = 60.0
"""Whoever lived so long died for a new reason."""


class InjectedCrash(Exception):
    """A fault that was asked for: the engine's thread dies."""


class _AskedRestart(Exception):
    """Somebody asked for a new start: the thread ends and another takes its place, at once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Listener:
    """Who waits for one answer, and on which event loop.

    Args:
        is_brief: wants the first chunk and the last, and none between.
    """

    request: GenerationRequest
    loop: asyncio.AbstractEventLoop
    is_brief: bool = False
    queue: asyncio.Queue[TokenChunk | RequestRefused] = field(default_factory=asyncio.Queue)

    def tell(self, news: TokenChunk | RequestRefused) -> None:
        """Hand *news* over; a loop that was closed meanwhile has nobody left to tell."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.queue.put_nowait, news)


class EngineLoop:
    """Runs an engine on a thread of its own."""

    def __init__(self, engine: Engine, observer: EngineObserver | None = None) -> None:
        engine.observer = observer or engine.observer
        self._engine = engine
        self._commands: deque[Command] = deque()
        self._wake = threading.Condition()
        self._is_stopping = False
        self._is_stalled = False
        self._step_delay_s = 0.0
        self._crash_every_s = 0.0
        self._crash_at = math.inf
        self._is_started = False
        self._is_down = False
        self._is_over = False
        self._num_restarts = 0
        self._restarts_asked = 0
        self._restarts_done = 0
        self._listeners: dict[str, _Listener] = {}
        self._supervisor = threading.Thread(target=self._supervise, name="engine-supervisor", daemon=True)

    @property
    def max_model_len(self) -> int:
        """The longest prompt plus answer, tokens."""
        return self._engine.max_model_len

    def start(self) -> None:
        """Start the thread and its supervisor."""
        self._is_started = True
        self._supervisor.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the current step; what is not finished ends with an abort."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify_all()
        if self._supervisor.ident is not None:
            self._supervisor.join(timeout_s)

    def restart(self, timeout_s: float = 30.0) -> bool:
        """Start the engine anew after the current step: whoever is in it ends with `restart`, the KV pool is empty.

        It counts as no death. Blocks until done, so not for the event loop.
        Returns: whether it was done within *timeout_s*.
        """
        with self._wake:
            self._restarts_asked += 1
            mine = self._restarts_asked
            self._wake.notify_all()
            return self._wake.wait_for(lambda: self._restarts_done >= mine or self._is_over, timeout_s) and (
                self._restarts_done >= mine
            )

    def stats(self) -> EngineStats:
        """The engine now."""
        return self._engine.stats(
            is_alive=self._is_started and not (self._is_down or self._is_over), num_restarts=self._num_restarts
        )

    def set_batch_limit(self, limit: int, mode: BatchMode) -> None:
        """Change the largest batch before the next step."""
        self._submit(lambda: self._engine.set_batch_limit(limit, mode))

    def set_token_budget(self, budget: int, mode: BatchMode) -> None:
        """Change the tokens of one step, before the next one."""
        self._submit(lambda: self._engine.set_token_budget(budget, mode))

    def set_lost_blocks(self, num_blocks: int) -> None:
        """A fault: do without part of the KV pool."""
        self._submit(lambda: self._engine.lose_blocks(num_blocks))

    def set_step_delay(self, delay_s: float) -> None:
        """A fault: every step takes so much longer."""
        self._step_delay_s = delay_s

    def set_crash_every(self, seconds: float) -> None:
        """A fault: the engine's thread dies now and every so many *seconds*; 0 ends it."""
        with self._wake:
            self._crash_every_s = seconds
            self._crash_at = time.monotonic() if seconds else math.inf
            self._wake.notify_all()

    def set_stalled(self, *, is_stalled: bool) -> None:
        """A fault: alive, but not a token comes out."""
        self._is_stalled = is_stalled
        self._submit(lambda: None)

    async def generate(self, request: GenerationRequest, *, is_brief: bool = False) -> AsyncGenerator[TokenChunk, None]:
        """The answer to *request*, chunk by chunk; closing the generator cancels the request.

        Args:
            is_brief: only the first chunk and the last: handing over thousands of tokens a second that nobody reads
                costs more than simulating them.
        Raises: RequestRefused before the first chunk.
        """
        self._engine.check(request)
        listener = _Listener(request, asyncio.get_running_loop(), is_brief)
        if self._is_down or not self._submit(lambda: self._add(listener)):
            yield _ended(request, "restart" if self._is_restart_asked else "crash")
            return
        is_over = False
        try:
            while not is_over:
                news = await listener.queue.get()
                is_over = isinstance(news, RequestRefused) or news.finish_reason is not None
                if isinstance(news, RequestRefused):
                    raise news
                yield news
        finally:
            if not is_over:
                self._submit(lambda: self._cancel(listener))

    def _submit(self, command: Command) -> bool:
        """Leave *command* for the thread; False if the engine is over and nobody will run it."""
        with self._wake:
            if self._is_over:
                return False
            self._commands.append(command)
            self._wake.notify_all()
            return True

    def _add(self, listener: _Listener) -> None:
        try:
            self._engine.add(listener.request)
        except RequestRefused as refused:
            listener.tell(refused)
        else:
            self._listeners[listener.request.request_id] = listener

    def _cancel(self, listener: _Listener) -> None:
        request_id = listener.request.request_id
        if self._listeners.get(request_id) is listener:
            del self._listeners[request_id]
            self._engine.cancel(request_id)

    def _supervise(self) -> None:
        """Start the engine's thread, again whenever it has died, until it is time to stop."""
        num_deaths = 0
        while True:
            began = time.monotonic()
            thread = threading.Thread(target=self._run, name="engine", daemon=True)
            thread.start()
            thread.join()
            if self._is_stopping:
                break
            if self._is_restart_asked:
                self._renew()
                continue
            num_deaths = 1 if time.monotonic() - began > HEALTHY_S else num_deaths + 1
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (num_deaths - 1))
            logger.error("the engine is started again in %.1f s", wait_s)
            with self._wake:
                self._wake.wait_for(lambda: self._is_stopping or self._is_restart_asked, wait_s)
            self._num_restarts += 1
            self._renew()
        with self._wake:
            self._is_over = True
            self._wake.notify_all()
        # Requests that came in last are added, so that they end like the others.
        self._run_commands()
        self._end_all("abort")

    @property
    def _is_restart_asked(self) -> bool:
        return self._restarts_asked > self._restarts_done

    def _renew(self) -> None:
        """Make the engine as new for the next thread; answers whoever asked for it."""
        with self._wake:
            asked = self._restarts_asked
        self._engine.reset()
        self._is_down = False
        with self._wake:
            self._restarts_done = asked
            self._wake.notify_all()

    def _run(self) -> None:
        try:
            while self._next_commands():
                if self._is_stalled:
                    time.sleep(IDLE_S)
                elif self._engine.has_work:
                    self._step()
        except _AskedRestart:
            logger.info("the engine is started anew, as was asked")
            self._is_down = True
            self._end_all("restart")
        except Exception:
            logger.exception("the engine died; every request in it ends")
            self._is_down = True
            self._end_all("crash")

    def _step(self) -> None:
        if self._step_delay_s:
            time.sleep(self._step_delay_s)
        for request_id, chunk in self._engine.step():
            self._deliver(request_id, chunk)
        if not self._engine.scheduler.running:
            # Whoever waits cannot be admitted now, as when a fault took the blocks; asking at full speed helps nobody.
            time.sleep(IDLE_S)

    def _next_commands(self) -> bool:
        """Wait for something to do and run what was left for the thread; False when it is time to stop.

        Raises: InjectedCrash and _AskedRestart when that was asked for.
        """
        with self._wake:
            while not (self._commands or self._engine.has_work or self._is_stopping or self._is_restart_asked):
                left_s = self._crash_at - time.monotonic()
                if left_s <= 0:
                    break
                self._wake.wait(left_s if left_s < math.inf else None)
            if self._is_stopping:
                return False
            if self._is_restart_asked:
                raise _AskedRestart
            if time.monotonic() >= self._crash_at:
                self._crash_at = time.monotonic() + self._crash_every_s
                raise InjectedCrash("a fault was asked for: the engine dies")
        self._run_commands()
        return True

    def _run_commands(self) -> None:
        # One at a time, so that one that fails leaves the rest for the next thread.
        while self._commands:
            self._commands.popleft()()

    def _end_all(self, reason: FinishReason) -> None:
        self._engine.end_all(reason)
        for listener in self._listeners.values():
            listener.tell(_ended(listener.request, reason))
        self._listeners.clear()

    def _deliver(self, request_id: str, chunk: TokenChunk) -> None:
        listener = self._listeners[request_id]
        if not listener.is_brief or chunk.finish_reason is not None or chunk.num_generated_tokens <= 1:
            listener.tell(chunk)
        if chunk.finish_reason is not None:
            del self._listeners[request_id]


def _ended(request: GenerationRequest, reason: FinishReason) -> TokenChunk:
    return TokenChunk("", (), reason, len(request.prompt_token_ids), 0, 0)
