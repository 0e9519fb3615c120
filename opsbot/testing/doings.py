"""What tests say people do, as it is written: who, when, about what, and whether the bot must refuse it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from opsbot.runbook.wire import WireModel
from opsbot.yamlfile import Duration

StepRef = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}(\[\d+\])?(\.undo)?$")]
"""A step's id; `drain[2]` is its third item, `drain.undo` the action that takes it back."""


class DecisionField(WireModel):
    """Somebody decides about a step, or does something about the whole run."""

    step: StepRef = Field(description="The step that is asked about or announced.")
    by: str = Field(default="somebody", min_length=1, max_length=64, description="Who; see `people`.")
    at: Duration | None = Field(default=None, description="When, from the beginning of the test.")
    after: Duration | None = Field(default=None, description="How long after it was asked or announced; 0s if absent.")
    reason: str = Field(default="", max_length=300)
    rejected: str = Field(
        default="", max_length=300, description="The bot must not accept it, and say why in words that contain this."
    )

    @model_validator(mode="after")
    def _is_one_time(self) -> DecisionField:
        if self.at is not None and self.after is not None:
            raise ValueError("say either `at` or `after`, not both")
        return self


class OrderField(WireModel):
    """Somebody does something about the whole run."""

    by: str = Field(default="somebody", min_length=1, max_length=64, description="Who; see `people`.")
    at: Duration = Field(description="When, from the beginning of the test.")
    reason: str = Field(default="", max_length=300)
    rejected: str = Field(default="", max_length=300, description="The bot must not accept it, and say why.")


class HaltField(WireModel):
    """Somebody stops all runs."""

    at: Duration = Field(description="When, from the beginning of the test.")
    until: Duration | None = Field(default=None, description="When it is lifted; never, if absent.")
    by: str = Field(default="somebody", min_length=1, max_length=64)
    reason: str = Field(default="a test", max_length=300)

    @model_validator(mode="after")
    def _ends_later(self) -> HaltField:
        if self.until is not None and self.until <= self.at:
            raise ValueError("`until` must be later than `at`")
        return self


class PauseField(HaltField):
    """Somebody pauses the run, and lets it go on."""

    rejected: str = Field(default="", max_length=300, description="The bot must not accept it, and say why.")


class SkipField(DecisionField):
    """Somebody leaves a step out."""

    step: StepRef = Field(description="The step that is left out; `at` is needed if nobody is asked about it.")


class SettleField(DecisionField):
    """Somebody says whether an act happened whose outcome is unknown."""

    step: StepRef = Field(description="The step whose outcome is unknown.")
    after: Duration | None = Field(default=None, description="How long after it became unknown; 0s if absent.")
    happened: bool = Field(description="true: the run goes on; false: it is made once more.")


class HoldField(HaltField):
    """Somebody holds a knob."""

    knob: str = Field(min_length=3, max_length=200, description="`<cluster>/<knob>`; either may be `*`.")
