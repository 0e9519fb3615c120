"""What the serving control API answers (docs/serving.md), as far as the bot looks at it."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from opsbot.errors import ActionError


class Answer(BaseModel):
    """One answer; fields that a newer server adds are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NumberKnob(Answer):
    """A knob that is a number: its base value and the value in force."""

    knob: str
    base: int
    in_force: int
    minimum: int
    maximum: int


class LayerAnswer(Answer):
    """One lease in force of a knob of layers; `strength` is what a ramp has left of it."""

    lease_id: str
    value: dict[str, Any]
    strength: float


class KnobAnswer(Answer):
    """Any knob: a number, a switch, or layers that are in force side by side."""

    knob: str
    kind: Literal["number", "switch", "layers"]
    leases: tuple[str, ...] = ()
    base: int | None = None
    in_force: int | bool | None = None
    layers: tuple[LayerAnswer, ...] = ()

    @property
    def figure(self) -> int | bool:
        """What is in force in one value: the number, whether the switch is on, or how many layers there are."""
        return len(self.layers) if self.kind == "layers" else (self.in_force or 0)

    @property
    def is_at_base(self) -> bool:
        """Whether nothing is in force beside what the server was started with."""
        return not self.leases


class LeaseAnswer(Answer):
    """One lease; times are seconds since the epoch."""

    lease_id: str
    knob: str = ""
    value: int | dict[str, Any] | None = None
    owner: str = ""
    state: str
    on_end: str = "release"
    strength: float = 1.0
    expires_at: float
    end_reason: str | None
    in_force_before: int
    in_force: int

    @property
    def is_in_force(self) -> bool:
        """Whether it still has an effect: a ramp and a hold do."""
        return self.state != "ended"


class CommandAnswer(Answer):
    """A command: done once instead of being set for a while."""

    command_id: str
    kind: str
    state: Literal["running", "done", "failed"]
    detail: str


N = TypeVar("N", bound=Answer)


def read(kind: type[N], body: object, where: str) -> N:
    """*body* as *kind*; *where* names the server.

    Raises: ActionError (`outcome_unknown`) for what docs/serving.md does not say.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ActionError(
            f"the server of {where} answered what docs/serving.md does not say: {place}: {first['msg']}",
            outcome_unknown=True,
        ) from error
