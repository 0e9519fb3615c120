"""DBOS, set up the way runs need it, and the workflow's view of it.

The database is written with WAL and `synchronous=FULL`, values are JSON and never pickles, and the workflow's version
is the interpreter's: a run begun by another interpreter is not replayed by this one.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._error import DBOSException, DBOSMaxStepRetriesExceeded
from dbos._serialization import DBOSPortableJSON, PortableWorkflowError
from sqlalchemy.engine import make_url

from opsbot.errors import ConfigError
from opsbot.runbook.run import INTERPRETER_VERSION
from opsbot.runbook.workflow import FIRST_PAUSE_S as FIRST_PAUSE_S
from opsbot.runbook.workflow import STAGE_TRIES, StageFailed

logger = logging.getLogger(__name__)

T = TypeVar("T")

APPLICATION = "opsbot"
WORKFLOW = "opsbot.run"
TOPIC = "wake"
POLL_S = 0.05
"""How often DBOS looks for messages on SQLite; its default of 1 s would delay every approval."""

RunWorkflow = Callable[[str, "DbosDurable"], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class DurableSettings:
    """How runs are made durable.

    Args:
        dbos_url: `sqlite:///…` or `postgresql+psycopg://…`.
        executor_id: unique per replica and the same after its restart; it recovers its own runs only.
    """

    dbos_url: str
    executor_id: str


class DbosDurable:
    """Stages are DBOS steps, waits are DBOS receives; only usable inside the workflow."""

    async def stage(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The recorded answer of *call*. Retried, since what a stage expects it answers and never raises."""

        async def run_stage() -> T:
            return await call()

        try:
            return await DBOS.run_step_async(
                {
                    "name": name,
                    "retries_allowed": True,
                    "max_attempts": STAGE_TRIES,
                    "interval_seconds": FIRST_PAUSE_S,
                    "backoff_rate": 2.0,
                },
                run_stage,
            )
        except DBOSMaxStepRetriesExceeded as error:
            cause = error.errors[-1] if error.errors else error
            raise StageFailed(f"{name}: {type(cause).__name__}: {cause}") from error
        except PortableWorkflowError as error:
            # The same failure, as it is read back in a replay.
            raise StageFailed(f"{name}: {error.name}: {error}") from error

    async def wait(self, timeout_s: float) -> None:
        """Return at the next message, or after *timeout_s* counted across crashes."""
        await DBOS.recv_async(TOPIC, timeout_seconds=timeout_s)


class DurableRuns:
    """Owns DBOS in this process: one at a time, on the event loop that started it."""

    def __init__(self, settings: DurableSettings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self._workflow: Callable[[str], Coroutine[Any, Any, str]] | None = None

    async def start(self, run: RunWorkflow) -> None:
        """Launch, and recover the workflows that this executor left behind."""

        async def interpret(run_id: str) -> str:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                return await run(run_id, DbosDurable())
            finally:
                self._tasks.discard(task)

        DBOS(config=_config(self._settings))
        self._workflow = DBOS.workflow(name=WORKFLOW)(interpret)
        # Launched on the loop's own thread: DBOS then runs recovered workflows on this loop too.
        DBOS.launch()

    async def stop(self) -> None:
        """Let go of the workflows where they are; the next start goes on with them."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # DBOS has made its own pool the loop's; whoever goes on using this loop needs one that lives.
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        # In a thread: it joins DBOS's own threads, which may still wait for this loop.
        with ThreadPoolExecutor(1) as alone:
            await loop.run_in_executor(alone, functools.partial(DBOS.destroy, destroy_registry=True))

    async def begin(self, run_id: str, workflow_id: str) -> None:
        """Start the run's workflow; the same id again is the same workflow."""
        assert self._workflow is not None
        with SetWorkflowID(workflow_id):
            await DBOS.start_workflow_async(self._workflow, run_id)

    async def wake(self, workflow_id: str) -> None:
        """Make the run look at the store now."""
        try:
            await DBOS.send_async(workflow_id, {}, TOPIC)
        except DBOSException as error:
            logger.warning("run %s could not be woken: %s", workflow_id, error)


def _config(settings: DurableSettings) -> DBOSConfig:
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": settings.dbos_url,
        "executor_id": settings.executor_id,
        "application_version": f"interpreter-{INTERPRETER_VERSION}",
        "serializer": DBOSPortableJSON,
        "notification_listener_polling_interval_sec": POLL_S,
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    url = make_url(settings.dbos_url)
    if url.get_backend_name() == "sqlite":
        if not url.database:
            raise ConfigError(f"{settings.dbos_url!r} names no file; runs must survive a restart")
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        config["db_engine_kwargs"] = {"creator": functools.partial(_connect, path)}
    return config


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
    connection.execute("PRAGMA journal_mode=WAL")
    # A recorded step must survive power loss, not only a killed process.
    connection.execute("PRAGMA synchronous=FULL")
    return connection
