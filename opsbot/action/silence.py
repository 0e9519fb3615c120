"""`silence.create` hides alerts for a time, `silence.expire` takes that back; both through the store's own silences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, ClassVar, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from opsbot.alert.matching import LabelMatch, label_match
from opsbot.alert.silence import Silence, check_silence
from opsbot.clock import Clock, to_minute
from opsbot.errors import ActionError, ConfigError, InvalidTransition, NotFoundError
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.yamlfile import Duration, format_duration

_ACTOR = "opsbot"
_UNDO = ":undo"
"""What the key of an undo ends with, after the key of what it undoes."""


class Silences(Protocol):
    """The store's silences; called in threads."""

    def add(
        self, match: LabelMatch, reason: str, user_id: str, now: float, ends_at: float, request_id: str | None = None
    ) -> Silence:
        """Set a silence; the same *request_id* again answers the one that is there."""
        ...

    def by_request(self, request_id: str) -> Silence | None:
        """The silence that was set under that id."""
        ...

    def end(self, silence_id: str, user_id: str, now: float) -> Silence:
        """End one before its time; raises NotFoundError, InvalidTransition if it is over."""
        ...


def _readable(texts: list[str]) -> list[str]:
    try:
        label_match(texts)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return texts


class CreateArguments(BaseModel):
    """What `silence.create` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    matchers: Annotated[list[str], Field(min_length=1, max_length=20), AfterValidator(_readable)] = Field(
        description='Label matchers as in Prometheus, such as `cluster="east"`; all must hold.'
    )
    duration: Duration = Field(gt=0, description="For how long; at most `alerting.max_silence`.")
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)] = Field(
        description="Why; people read it while it hides something."
    )


class SilenceOutputs(BaseModel):
    """What both yield."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    silence_id: str = Field(description="Its id, such as SIL-7.")


class SilenceCreate(Action[CreateArguments]):
    """Lets matching alerts open nothing for a time."""

    name: ClassVar[str] = "silence.create"
    summary: ClassVar[str] = "Let matching alerts open no incident for a time; it ends by itself."
    arguments = CreateArguments
    outputs = SilenceOutputs
    is_reversible: ClassVar[bool] = True

    def __init__(self, silences: Silences | None, clock: Clock, longest_s: float, wake: Callable[[], None]) -> None:
        self._silences = silences
        self._clock = clock
        self._longest_s = longest_s
        self._wake = wake

    async def prior(self, arguments: CreateArguments) -> Facts:
        try:
            check_silence(arguments.duration, arguments.reason, self._longest_s)
        except ConfigError as error:
            raise ActionError(str(error)) from error
        return {}

    def describe(self, arguments: CreateArguments, prior: Facts, ttl_s: float | None) -> Description:
        length = format_duration(arguments.duration)
        return Description(
            f"hide new alerts with {', '.join(arguments.matchers)} for {length}: {arguments.reason}",
            f"ends by itself after {length}; what still fires then opens an incident",
        )

    async def act(self, arguments: CreateArguments, context: ActionContext) -> Outcome:
        await self.prior(arguments)
        now = self._clock.now()
        reason = f"DRILL: {arguments.reason}" if context.is_drill else arguments.reason
        silence = await asyncio.to_thread(
            _there(self._silences, self.name).add,
            label_match(arguments.matchers),
            reason,
            _ACTOR,
            now,
            now + arguments.duration,
            context.idempotency_key,
        )
        self._wake()
        return self._outcome(silence)

    async def find(self, arguments: CreateArguments, idempotency_key: str) -> Outcome | None:
        found = await asyncio.to_thread(_there(self._silences, self.name).by_request, idempotency_key)
        return None if found is None else self._outcome(found)

    def _outcome(self, silence: Silence) -> Outcome:
        until = to_minute(silence.ends_at, self._clock.now())
        return Outcome(
            f"{silence.silence_id} hides new alerts with {silence.match} until {until}",
            {"silence_id": silence.silence_id},
        )


class ExpireArguments(BaseModel):
    """What `silence.expire` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    silence_id: str | None = Field(
        default=None, description="Which; as a step's `undo`, the one that the step has set unless stated."
    )


class SilenceExpire(Action[ExpireArguments]):
    """Ends a silence before its time."""

    name: ClassVar[str] = "silence.expire"
    summary: ClassVar[str] = "End a silence before its time; the `undo` of `silence.create`."
    arguments = ExpireArguments
    outputs = SilenceOutputs

    def __init__(self, silences: Silences | None, clock: Clock, wake: Callable[[], None]) -> None:
        self._silences = silences
        self._clock = clock
        self._wake = wake

    def describe(self, arguments: ExpireArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(
            f"end {arguments.silence_id or 'the silence that this run has set'}; what it hides opens incidents if it "
            "still fires",
            "there is no undo; set it anew instead",
        )

    async def act(self, arguments: ExpireArguments, context: ActionContext) -> Outcome:
        silences = _there(self._silences, self.name)
        silence_id = arguments.silence_id
        if silence_id is None:
            if not context.idempotency_key.endswith(_UNDO):
                raise ActionError("silence.expire needs `silence_id`, unless it is the undo of silence.create")
            found = await asyncio.to_thread(silences.by_request, context.idempotency_key.removesuffix(_UNDO))
            if found is None:
                raise ActionError("there is no silence of that step to end")
            silence_id = found.silence_id
        try:
            await asyncio.to_thread(silences.end, silence_id, _ACTOR, self._clock.now())
        except InvalidTransition:
            return Outcome(f"{silence_id} is over already", {"silence_id": silence_id})
        except NotFoundError as error:
            raise ActionError(str(error)) from error
        self._wake()
        return Outcome(f"{silence_id} is over; what still fires opens an incident now", {"silence_id": silence_id})

    async def find(self, arguments: ExpireArguments, idempotency_key: str) -> Outcome | None:
        # Ending it again finds it over.
        return None


def _there(silences: Silences | None, name: str) -> Silences:
    if silences is None:
        raise ActionError(f"{name} needs core's store; it runs in core alone")
    return silences
