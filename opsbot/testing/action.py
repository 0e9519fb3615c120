"""Mocked actions: the real ones' arguments, locks, leases and descriptions, with nothing behind them.

A mock remembers what it did by key, as a server would, so that a lost answer can be found; what every call was is kept.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from opsbot.clock import Clock
from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, ActionRegistry, Description, Facts, Outcome
from opsbot.testing.crash import Deaths
from opsbot.testing.current import current_step
from opsbot.testing.metrics import SeriesMetrics
from opsbot.testing.notation import Series, series
from opsbot.testing.wire import CallField, SeriesField

UNMOCKED = frozenset({"prometheus.query", "wait.until", "wait.for"})
"""They ask the metrics, which are the test's series already, unless a test mocks them."""
_NOTHING_SET: Facts = {"num_leases": 0, "layers": [], "leases": []}
"""What a server says where nobody has set anything, as far as it does not depend on the server."""

Mocks = Mapping[str, Sequence[CallField]]


class BadMock(BaseException):
    """A test that cannot be performed, and why."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a mocked action that changes something.

    Args:
        arguments: with their defaults, as JSON.
        result: `done`, or the error.
    """

    at: float
    kind: Literal["act", "undo", "release", "renew"]
    step_id: str
    action: str
    arguments: Facts
    result: str


@dataclass(slots=True)
class Server:
    """What stands behind all mocks of a test; it outlives the bot's process."""

    mocks: Mocks
    metrics: SeriesMetrics
    clock: Clock
    deaths: Deaths
    calls: list[Call] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _readings: Counter[tuple[str, int]] = field(default_factory=Counter)
    _done: dict[str, Outcome] = field(default_factory=dict)
    _steps: dict[str, str] = field(default_factory=dict)
    _released: set[str] = field(default_factory=set)
    _forgotten: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def mock_of(self, step_id: str) -> CallField:
        """What the step's next call does."""
        found = self.mocks.get(step_id) or self.mocks.get(_base(step_id)) or (CallField(),)
        return found[min(self._counts[step_id], len(found) - 1)]

    def read_prior(self, step_id: str) -> Facts:
        """What is read before the step's next call, one reading further each time."""
        self._readings[step_id, self._counts[step_id]] += 1
        return self.prior_of(step_id)

    def prior_of(self, step_id: str) -> Facts:
        """What was read last before the step's next call."""
        readings = self.mock_of(step_id).prior or [{}]
        num_read = self._readings[step_id, self._counts[step_id]]
        found = readings[min(max(num_read, 1), len(readings)) - 1]
        base = {"base": found["in_force"]} if "in_force" in found else {}
        return {**_NOTHING_SET, **base, **found}

    async def act(self, action: MockedAction, arguments: BaseModel, context: ActionContext) -> Outcome:
        """One call."""
        key = context.idempotency_key
        step_id = _step_of(key) if key else current_step()
        mock = self.mock_of(step_id)
        text = action.text(arguments, self.prior_of(step_id), context.ttl_s)
        self._counts[step_id] += 1
        plain = arguments.model_dump(mode="json", by_alias=True)
        if mock.error == "unknown":
            self._forgotten.add(key)
        if mock.error in (None, "lost", "unknown") and key not in self._done:
            outputs = _outputs(action, mock, plain)
            lease_id = f"lease-{next(self._numbers)}" if action.takes_lease else None
            outcome = Outcome(mock.text or text, outputs, lease_id)
            if key:
                self._done[key] = outcome
            if lease_id is not None:
                self._steps[lease_id] = step_id
            self.metrics.replace(_series(mock.sets))
        else:
            outcome = self._done.get(key, Outcome(""))
        if not action.is_read_only:
            kind: Literal["act", "undo"] = "undo" if step_id.endswith(".undo") else "act"
            self.note(kind, step_id, action.name, plain, mock.error or "done")
        if not action.is_read_only and mock.error in (None, "lost", "unknown"):
            can_be_found = action.can_be_found and mock.error != "unknown"
            self.deaths.after_act(step_id, key, can_be_found=can_be_found)
        await _fail(mock.error, action)
        return outcome

    def find(self, key: str) -> Outcome | None:
        """What was done under that key."""
        if key in self._forgotten:
            raise ActionError("it cannot be told whether it happened (mocked)", outcome_unknown=True)
        return self._done.get(key)

    def renew(self, lease_id: str, action: str) -> None:
        """A lease lives on."""
        self.note("renew", self._steps[lease_id], action, {}, "done")

    async def release(self, action: Action[Any], lease_id: str) -> str:
        """A lease is given back."""
        step_id = self._steps[lease_id]
        mock = self.mock_of(step_id)
        if lease_id in self._released:
            return f"{action.name} of step {step_id} was released already"
        self.note("release", step_id, action.name, {}, mock.release_error or "done")
        await _fail(mock.release_error, action)
        self._released.add(lease_id)
        self.metrics.replace(_series(mock.sets_when_released))
        self.deaths.after(f"release {lease_id}")
        return f"{action.name} of step {step_id} is released"

    def note(
        self, kind: Literal["act", "undo", "release", "renew"], step: str, name: str, what: Facts, how: str
    ) -> None:
        """Keep a call."""
        self.calls.append(Call(self.clock.now(), kind, step, name, what, how))


class MockedAction(Action[Any]):
    """Stands for a real action; its class attributes are the real one's."""

    def __init__(self, real: Action[Any], server: Server) -> None:
        self.real = real
        self._server = server

    def cluster(self, arguments: BaseModel) -> str | None:
        return self.real.cluster(arguments)

    def locks(self, arguments: BaseModel) -> tuple[str, ...]:
        return self.real.locks(arguments)

    async def prior(self, arguments: BaseModel) -> Facts:
        return {} if self.is_read_only else self._server.read_prior(current_step())

    def describe(self, arguments: BaseModel, prior: Facts, ttl_s: float | None) -> Description:
        try:
            return self.real.describe(arguments, prior, ttl_s)
        except (KeyError, TypeError) as error:
            step_id = current_step()
            raise BadMock(
                f"the mock of step {step_id} must say what {self.name} finds before it acts, {error} among it: "
                f"`mock: {{{step_id}: {{prior: {{in_force: …}}}}}}`"
            ) from error

    async def act(self, arguments: BaseModel, context: ActionContext) -> Outcome:
        if self.name in UNMOCKED and current_step() not in self._server.mocks:
            return await self.real.act(arguments, context)
        return await self._server.act(self, arguments, context)

    async def find(self, arguments: BaseModel, idempotency_key: str) -> Outcome | None:
        if not self.can_be_found:
            return await Action.find(self, arguments, idempotency_key)
        return self._server.find(idempotency_key)

    async def renew(self, arguments: BaseModel, lease_id: str, ttl_s: float) -> None:
        self._server.renew(lease_id, self.name)

    async def release(self, arguments: BaseModel, lease_id: str) -> str:
        return await self._server.release(self, lease_id)

    @property
    def can_be_found(self) -> bool:
        """Whether the real action can look up what an earlier call did."""
        return self.real.can_be_found

    def text(self, arguments: BaseModel, prior: Facts, ttl_s: float | None) -> str:
        """What it says of itself, unless the mock does."""
        if self.is_read_only:
            return f"{self.name} (mocked)"
        try:
            return f"Done: {self.real.describe(arguments, prior, ttl_s).will_do}"
        except (KeyError, TypeError):
            # An undo is never described beforehand, so nothing need be known of before it.
            return f"Done: {self.name}"


class MockedRegistry(ActionRegistry):
    """Every action of another registry, mocked when it is asked for."""

    def __init__(self, real: ActionRegistry, server: Server) -> None:
        super().__init__(())
        self._real = real
        self._server = server

    def __iter__(self) -> Iterator[Action[Any]]:
        for name in self.names():
            self.find(name)
        return super().__iter__()

    def find(self, name: str) -> Action[Any] | None:
        """The action with that name, or None."""
        if name not in self._actions and (real := self._real.find(name)) is not None:
            self._actions[name] = _mocked(real, self._server)
        return super().find(name)

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return self._real.names()


def _mocked(real: Action[Any], server: Server) -> Action[Any]:
    attributes = {name: getattr(real, name) for name in Action.__annotations__ if hasattr(real, name)}
    kind = type("Mocked" + type(real).__name__, (MockedAction,), attributes)
    action: Action[Any] = kind(real, server)
    return action


def _step_of(key: str) -> str:
    """The step of `<run>:<step>:<attempt>`, and of `….undo` for what takes it back."""
    is_undo = key.endswith(":undo")
    step_id = key.removesuffix(":undo").rsplit(":", 2)[1]
    return f"{step_id}.undo" if is_undo else step_id


def _base(step_id: str) -> str:
    name, _, rest = step_id.partition("[")
    return f"{name}.undo" if rest.endswith(".undo") else name


def _series(fields: Sequence[SeriesField]) -> list[Series]:
    return [series(one.series, one.values) for one in fields]


def _outputs(action: Action[Any], mock: CallField, arguments: Facts) -> dict[str, Any]:
    """The mock's; what it leaves out is the argument of that name, or nothing."""
    found: dict[str, Any] = dict(mock.outputs)
    for name, one in action.outputs.model_fields.items():
        if name not in found and one.is_required():
            found[name] = arguments.get(name, _nothing(one.annotation))
    return found


def _nothing(annotation: Any) -> Any:
    for kind, value in ((bool, False), (int, 0), (float, 0.0), (str, "")):
        if annotation is kind:
            return value
    text = str(annotation)
    if "None" in text:
        return None
    return {} if "dict" in text.lower() or "Mapping" in text else []


async def _fail(error: str | None, action: Action[Any]) -> None:
    match error:
        case "refused":
            raise ActionError(f"{action.name} was refused (mocked)")
        case "unreachable":
            raise ActionError(f"{action.name}: the server cannot be reached (mocked)", retryable=True)
        case "lost" | "unknown":
            raise ActionError(f"{action.name}: no answer came (mocked)", retryable=True, outcome_unknown=True)
        case "hangs":
            await asyncio.sleep(365 * 24 * 3600.0)
