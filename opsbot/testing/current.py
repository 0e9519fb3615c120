"""Which step is looked at, for whatever is called on its behalf: a read-only act is not told by the interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_step: ContextVar[str] = ContextVar("opsbot_testing_step", default="")


@contextmanager
def step_of_stage(stage: str) -> Iterator[None]:
    """Within the block, the step of a stage that is called `step <id>`."""
    token = _step.set(stage.removeprefix("step ") if stage.startswith("step ") else "")
    try:
        yield
    finally:
        _step.reset(token)


def current_step() -> str:
    """The step's id; empty where none is looked at."""
    return _step.get()
