"""The bridge between the engine's thread and asyncio: submit, stream, cancel.

The thread owns the engine. Others leave commands in a queue that is emptied before each step; with nothing to do the
thread sleeps. If a step raises, every request ends with an error and the engine is dead: /health says so, and
whoever supervises the process starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable

from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import (
    BatchMode,
    EngineObserver,
    EngineStats,
    FinishReason,
    GenerationRequest,
    TokenChunk,
)

logger = logging.getLogger(__name__)

Command = Callable[[], None]


class EngineLoop:
    """Runs an engine on a thread of its own."""

    def __init__(self, engine: Engine, observer: EngineObserver | None = None) -> None:
        engine.observer = observer or engine.observer
        self._engine = engine
        self._commands: deque[Command] = deque()
        self._wake = threading.Condition()
        self._is_stopping = False
        self._is_alive = False
        self._listeners: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Queue[TokenChunk]]] = {}
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def max_model_len(self) -> int:
        """The longest prompt plus answer, tokens."""
        return self._engine.max_model_len

    def start(self) -> None:
        """Start the thread."""
        self._is_alive = True
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the current step; what is not finished ends with an abort."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def stats(self) -> EngineStats:
        """The engine now."""
        return self._engine.stats(is_alive=self._is_alive)

    def set_batch_limit(self, limit: int, mode: BatchMode) -> None:
        """Change the largest batch before the next step."""
        self._submit(lambda: self._engine.set_batch_limit(limit, mode))

    async def generate(self, request: GenerationRequest) -> AsyncIterator[TokenChunk]:
        """The answer to *request*, chunk by chunk; closing the iterator cancels the request.

        Raises: RequestRefused before the first chunk.
        """
        self._engine.check(request)
        queue: asyncio.Queue[TokenChunk] = asyncio.Queue()
        self._listeners[request.request_id] = (asyncio.get_running_loop(), queue)
        if not self._is_alive:
            yield _ended(request, "error")
            return
        self._submit(lambda: self._engine.add(request))
        is_over = False
        try:
            while not is_over:
                chunk = await queue.get()
                is_over = chunk.finish_reason is not None
                yield chunk
        finally:
            self._listeners.pop(request.request_id, None)
            if not is_over:
                self._submit(lambda: self._engine.cancel(request.request_id))

    def _submit(self, command: Command) -> None:
        with self._wake:
            self._commands.append(command)
            self._wake.notify()

    def _run(self) -> None:
        try:
            while True:
                with self._wake:
                    while not (self._commands or self._engine.has_work or self._is_stopping):
                        self._wake.wait()
                    commands, self._commands = self._commands, deque()
                if self._is_stopping:
                    break
                for command in commands:
                    command()
                if self._engine.has_work:
                    for request_id, chunk in self._engine.step():
                        self._deliver(request_id, chunk)
        except Exception:
            logger.exception("the engine died; every request ends with an error")
        finally:
            self._is_alive = False
            self._engine.fail_all()
            reason: FinishReason = "abort" if self._is_stopping else "error"
            for request_id in list(self._listeners):
                self._deliver(request_id, TokenChunk("", (), reason, 0, 0, 0))

    def _deliver(self, request_id: str, chunk: TokenChunk) -> None:
        listener = self._listeners.get(request_id)
        if listener is not None:
            loop, queue = listener
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, chunk)


def _ended(request: GenerationRequest, reason: FinishReason) -> TokenChunk:
    return TokenChunk("", (), reason, len(request.prompt_token_ids), 0, 0)
