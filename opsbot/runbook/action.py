"""Actions: what a step may use, and the registry that knows them by name.

An action reads the value before, acts once under an idempotency key, can be asked whether a call with that key
happened, and takes back what it did. Adapters subclass `Action`; the executor never sees a wire.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from opsbot.errors import ActionError, ConfigError
from opsbot.people import Role

A = TypeVar("A", bound=BaseModel)
Facts = Mapping[str, Any]
"""Plain JSON values: they are stored with the run."""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Who acts and why.

    Args:
        run_id: the owner of whatever is set.
        idempotency_key: equal for every try of one act, unequal for all others.
        reason: one line for the server's journal.
        ttl_s: how long a lease lives without renewal; None for an action without lease.
    """

    run_id: str
    idempotency_key: str
    reason: str
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act did.

    Args:
        text: one sentence for the timeline.
        outputs: what later steps see as `steps.<id>.outputs`.
        lease_id: of the lease it holds now, if any.
    """

    text: str
    outputs: Facts = field(default_factory=dict)
    lease_id: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What an act would change, and how that is taken back; two sentences without a full stop."""

    will_do: str
    undo: str


class LeaseEnded(ActionError):
    """The lease that should be renewed has ended already; `was_released` tells whether somebody ended it on purpose."""

    def __init__(self, message: str, *, was_released: bool) -> None:
        super().__init__(message)
        self.was_released = was_released


class Action(ABC, Generic[A]):
    """One thing that a step can use.

    `is_idempotent` means that a second `act` with the same key changes nothing more.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    arguments: type[A]
    outputs: ClassVar[tuple[str, ...]] = ()
    is_read_only: ClassVar[bool] = False
    is_idempotent: ClassVar[bool] = True
    takes_lease: ClassVar[bool] = False
    role: ClassVar[Role] = "responder"

    @abstractmethod
    async def act(self, arguments: A, context: ActionContext) -> Outcome:
        """Do it.

        Raises: ActionError; `outcome_unknown` when the answer was lost, `retryable` when nothing can have happened.
        """

    async def prior(self, arguments: A) -> Facts:
        """The value before the change; raises ActionError if it cannot be read."""
        return {}

    def describe(self, arguments: A, prior: Facts, ttl_s: float | None) -> Description:
        """What `act` would do, for an approval."""
        return Description(f"{self.name}", "nothing to undo" if self.is_read_only else "there is no undo")

    async def find(self, arguments: A, idempotency_key: str) -> Outcome | None:
        """What an earlier act with that key did; None if it did not happen.

        Raises: ActionError if that cannot be told.
        """
        raise ActionError(f"{self.name} cannot tell whether an earlier call happened", outcome_unknown=True)

    async def renew(self, arguments: A, lease_id: str, ttl_s: float) -> None:
        """Let the lease live *ttl_s* from now.

        Raises: LeaseEnded; ActionError if the server does not answer.
        """
        raise ActionError(f"{self.name} holds no lease")

    async def release(self, arguments: A, lease_id: str) -> str:
        """End the lease, or find it ended; answers one sentence with the value now in force. Harmless when repeated.

        Raises: ActionError if the server does not answer.
        """
        raise ActionError(f"{self.name} holds no lease")


class ActionRegistry:
    """The actions that steps may use."""

    def __init__(self, actions: Iterable[Action[Any]]) -> None:
        self._actions: dict[str, Action[Any]] = {}
        for action in actions:
            if action.name in self._actions:
                raise ConfigError(f"two actions are named {action.name!r}; rename one of them")
            self._actions[action.name] = action

    def __iter__(self) -> Iterator[Action[Any]]:
        return iter(self._actions.values())

    def find(self, name: str) -> Action[Any] | None:
        """The action with that name, or None."""
        return self._actions.get(name)

    def get(self, name: str) -> Action[Any]:
        """The action with that name.

        Raises: ActionError if there is none (any more).
        """
        action = self._actions.get(name)
        if action is None:
            raise ActionError(f"there is no action {name!r} here; known are {', '.join(sorted(self._actions))}")
        return action

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._actions))
