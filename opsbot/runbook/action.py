"""Actions: what a step may use, and the registry that knows them by name.

An action reads the value before, acts once under an idempotency key, can be asked whether a call with that key
happened, and takes back what it did. Adapters subclass `Action`; the executor never sees a wire.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from opsbot.errors import ActionError, ConfigError
from opsbot.people import Role
from opsbot.runbook.knob_turn import KnobTurn

A = TypeVar("A", bound=BaseModel)
Facts = Mapping[str, Any]
"""Plain JSON values: they are stored with the run."""


class NoOutputs(BaseModel):
    """The outputs of an action that yields nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Who acts and why.

    Args:
        run_id: the owner of whatever is set.
        idempotency_key: equal for every try of one act, unequal for all others.
        reason: one line for the server's journal.
        ttl_s: how long a lease lives without renewal; None for an action without lease.
        incident_id: whose thread hears of it.
        is_drill: whether the run rehearses; everything that people read is then marked DRILL.
    """

    run_id: str
    idempotency_key: str
    reason: str
    ttl_s: float | None = None
    incident_id: str = ""
    is_drill: bool = False


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

    Class attributes:
        arguments: the schema of what stands under `with`.
        outputs: the schema of what later steps see; every outcome is checked against it.
        is_read_only: it changes nothing, so it needs no approval, no undo and no lock.
        is_idempotent: a second `act` with the same key changes nothing more.
        is_reversible: what it did can be taken back, by a release or by a step's `undo`.
        is_risky: whoever asked for the run may not approve it.
        is_for_drills: refused outside of drills.
        only_tells: it says something to people and changes nothing else, so a runbook that asks before every change
            does not ask about it.
        takes_lease: what it sets ends by itself, is renewed, and is taken back by a release.
        role: what a person needs to approve it where a runbook does not say.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    arguments: type[A]
    outputs: type[BaseModel] = NoOutputs
    is_read_only: ClassVar[bool] = False
    is_idempotent: ClassVar[bool] = True
    is_reversible: ClassVar[bool] = False
    is_risky: ClassVar[bool] = False
    is_for_drills: ClassVar[bool] = False
    only_tells: ClassVar[bool] = False
    takes_lease: ClassVar[bool] = False
    role: ClassVar[Role] = "responder"

    @classmethod
    def output_names(cls) -> tuple[str, ...]:
        """What expressions may name as `steps.<id>.outputs.<name>`."""
        return tuple(cls.outputs.model_fields)

    @property
    def can_be_found(self) -> bool:
        """Whether `find` can look up what an earlier act did."""
        return type(self).find is not Action.find

    def may_repeat(self, arguments: A) -> bool:
        """Whether a second `act` with the same key changes nothing more, for these arguments."""
        return self.is_idempotent

    def cluster(self, arguments: A) -> str | None:
        """The cluster that `act` touches; None if it touches none."""
        found = getattr(arguments, "cluster", None)
        return found if isinstance(found, str) and found else None

    def locks(self, arguments: A) -> tuple[str, ...]:
        """The knobs that `act` turns, each `<cluster>/<knob>`: only one run at a time may have one."""
        return ()

    def needs_s(self, arguments: A) -> float:
        """Seconds that one `act` takes at least: a step whose `timeout` is not longer can never succeed."""
        return 0.0

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

    def turns(self, arguments: A, prior: Facts) -> tuple[KnobTurn, ...]:
        """Each knob that `act` would turn, with its value now and after; empty where that has no short words."""
        return ()

    def turns_back(self, arguments: A, prior: Facts) -> tuple[KnobTurn, ...]:
        """The same of a release, where *prior* was read while what it releases is in force."""
        return ()

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
        action = self.find(name)
        if action is None:
            raise ActionError(f"there is no action {name!r} here; known are {', '.join(self.names())}")
        return action

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._actions))
