"""What all actions have in common that set something by a lease of the control API.

A subclass says which knob, what value, and how people read it; granting, finding a lost answer, renewing, releasing
and the words about how it ends are here.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.control import FLEET, ControlClient, where
from opsbot.action.control_answers import LeaseAnswer
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.runbook.knob_turn import KnobTurn, knob_word, layers_word
from opsbot.yamlfile import format_duration

OnEnd = Literal["release", "ramp", "hold_unhealthy"]
MAX_REASON_CHARS = 1000
_MOST_LAYERS_KEPT = 20


class LeaseArguments(BaseModel):
    """What every one of them takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cluster: str = Field(default="", description="The cluster; the one of the alert unless stated.")


class LayerOutputs(BaseModel):
    """What a setting yields that stands beside others on its knob."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lease_id: str = Field(description="The lease's id on the server.")
    others: int = Field(description="Leases of the knob that were in force before.")


L = TypeVar("L", bound=BaseModel)


class LeaseAction(Action[L]):
    """Sets one knob of one place for as long as its lease lives.

    Class attributes:
        knob: its name in docs/serving.md.
        words: what people call it: `batch limit`.
    """

    knob: ClassVar[str]
    words: ClassVar[str]
    is_reversible: ClassVar[bool] = True
    takes_lease: ClassVar[bool] = True

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    @abstractmethod
    def value(self, arguments: L) -> int | dict[str, Any] | None:
        """What is asked of the knob; None for a switch."""

    @abstractmethod
    def will_do(self, arguments: L, prior: Facts) -> str:
        """What would change from what to what, and for whom; without how long."""

    def now(self, arguments: L, prior: Facts) -> str:
        """What is in force now, where `will_do` does not say; empty if it does."""
        return ""

    @abstractmethod
    def did(self, arguments: L, lease: LeaseAnswer) -> str:
        """The same once it is done; made from the lease alone, since a repeated answer shows a later state."""

    @abstractmethod
    async def released(self, arguments: L) -> str:
        """The value now in force, after a release that was no ramp and no hold."""

    def place(self, arguments: L) -> str:
        """Whose control API is asked."""
        return str(getattr(arguments, "cluster", FLEET))

    def on_end(self, arguments: L) -> OnEnd:
        """What the lease's end means."""
        chosen: OnEnd = getattr(arguments, "on_end", "release")
        return chosen

    def more(self, arguments: L) -> dict[str, object]:
        """More fields of the grant."""
        return {}

    def got(self, arguments: L, lease: LeaseAnswer) -> Facts:
        """The outputs."""
        return {"lease_id": lease.lease_id, "others": lease.in_force_before}

    def undoes_to(self, prior: Facts) -> str:
        """What Undo goes back to: ` to 32`; empty where that has no short name."""
        return ""

    def locks(self, arguments: L) -> tuple[str, ...]:
        return (f"{self.place(arguments)}/{self.knob}",)

    async def prior(self, arguments: L) -> Facts:
        knob = await self._control.look(self.place(arguments), self.knob)
        if knob.kind != "layers":
            return {"in_force": knob.in_force, "base": knob.base, "num_leases": len(knob.leases)}
        layers = [{"value": one.value, "strength": one.strength} for one in knob.layers[-_MOST_LAYERS_KEPT:]]
        return {"layers": layers, "num_leases": len(knob.leases)}

    def describe(self, arguments: L, prior: Facts, ttl_s: float | None) -> Description:
        lease = format_duration(ttl_s or 0)
        back = self.undoes_to(prior)
        match self.on_end(arguments):
            case "ramp":
                undo = (
                    f"ends by itself {lease} after the last renewal, in steps while the engine has room; "
                    f"Undo begins that at once"
                )
            case "hold_unhealthy":
                undo = (
                    f"ends by itself {lease} after the last renewal, but not before the server is healthy; "
                    f"the same goes for Undo"
                )
            case _:
                undo = f"ends by itself {lease} after the last renewal; Undo takes it back{back} at once"
        now = self.now(arguments, prior)
        return Description(
            f"{self.will_do(arguments, prior)} for {lease} at a time, renewed while the incident is open"
            f"{f'; now {now}' if now else ''}",
            undo,
        )

    def in_force_after(self, arguments: L, prior: Facts) -> int | bool:
        """Of a number or a switch: what is in force once it is done."""
        value = self.value(arguments)
        return value if isinstance(value, int) else True

    def turns(self, arguments: L, prior: Facts) -> tuple[KnobTurn, ...]:
        knob, count = f"{self.place(arguments)}/{self.knob}", int(prior.get("num_leases", 0))
        if "in_force" not in prior:
            return (KnobTurn(knob, layers_word(count), layers_word(count + 1)),)
        return (KnobTurn(knob, knob_word(prior["in_force"]), knob_word(self.in_force_after(arguments, prior))),)

    def turns_back(self, arguments: L, prior: Facts) -> tuple[KnobTurn, ...]:
        knob, count = f"{self.place(arguments)}/{self.knob}", int(prior.get("num_leases", 0))
        others = max(0, count - 1)
        if "in_force" not in prior:
            return (KnobTurn(knob, layers_word(count), layers_word(others)),)
        back = knob_word(prior["base"]) if not others else f"what {beside(others).rpartition(' ')[0]} set to"
        return (KnobTurn(knob, knob_word(prior["in_force"]), back),)

    async def act(self, arguments: L, context: ActionContext) -> Outcome:
        reason = f"DRILL: {context.reason}" if context.is_drill else context.reason
        value = self.value(arguments)
        lease = await self._control.grant(
            self.place(arguments),
            {
                "knob": self.knob,
                **({} if value is None else {"value": value}),
                **self.more(arguments),
                "on_end": self.on_end(arguments),
                "ttl_s": context.ttl_s,
                "owner": context.run_id,
                "reason": reason[:MAX_REASON_CHARS],
                "idempotency_key": context.idempotency_key,
            },
        )
        return self._outcome(arguments, lease)

    async def find(self, arguments: L, idempotency_key: str) -> Outcome | None:
        lease = await self._control.find(self.place(arguments), idempotency_key)
        return None if lease is None else self._outcome(arguments, lease)

    async def renew(self, arguments: L, lease_id: str, ttl_s: float) -> None:
        await self._control.renew(self.place(arguments), lease_id, ttl_s)

    async def release(self, arguments: L, lease_id: str) -> str:
        place = self.place(arguments)
        lease = await self._control.release(place, lease_id)
        if lease is not None and lease.state == "ramping":
            return (
                f"{self.words} of {where(place)} is ramping down: {lease.strength:.0%} of it is still in force, "
                "and the rest goes in steps while the engine has room"
            )
        if lease is not None and lease.state == "holding":
            return f"{self.words} of {where(place)} stays until the server is healthy, and then ends by itself"
        return await self.released(arguments)

    def _outcome(self, arguments: L, lease: LeaseAnswer) -> Outcome:
        return Outcome(self.did(arguments, lease), self.got(arguments, lease), lease.lease_id)


class LayerAction(LeaseAction[L]):
    """One layer of a knob that shows several side by side."""

    outputs = LayerOutputs

    def now(self, arguments: L, prior: Facts) -> str:
        count = int(prior["num_leases"])
        return f"{beside(count)} in force beside it" if count else "nothing of the kind is in force there"

    async def released(self, arguments: L) -> str:
        place = self.place(arguments)
        knob = await self._control.look(place, self.knob)
        if knob.is_at_base:
            return f"{self.words} of {where(place)} has ended; nothing of it is in force"
        return f"{self.words} of {where(place)} has ended; {beside(len(knob.leases))} still in force"


def beside(count: int) -> str:
    """`one other lease is`, `3 other leases are`."""
    return "one other lease is" if count == 1 else f"{count} other leases are"
