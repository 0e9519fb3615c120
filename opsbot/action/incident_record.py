"""What a run says to people, through the incident's own durable record: `slack.post`, `review.open`,
`pagerduty.trigger`.

Each is a timeline entry under the step's key, so that a repeat says nothing twice, and the outbox delivers it.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.clock import Clock
from opsbot.errors import ActionError
from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome

MAX_TEXT_CHARS = 3000
"""Of a section in Block Kit; see docs.slack.dev, "Section block"."""
_ACTOR = "opsbot"


class Record(Protocol):
    """The incidents' record; called in threads."""

    def add_entry(self, note: TimelineEntry) -> None:
        """Write a timeline entry; one with the same key is there once."""
        ...

    def entry(self, key: str) -> TimelineEntry | None:
        """One timeline entry."""
        ...


class Pager(Protocol):
    """The pager's own durable way; called in threads."""

    def page_now(self, note: TimelineEntry) -> bool:
        """Have somebody paged for the entry's incident, and write the entry; the same key again does nothing.

        Returns: whether the incident still wakes somebody; not if it is over or somebody has it.
        """
        ...


class TextArguments(BaseModel):
    """What `slack.post` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARS)] = Field(
        description="Plain text; no markup is read."
    )
    to_channel: bool = Field(default=False, description="Whether the whole channel sees it, not the thread alone.")


class ReviewArguments(BaseModel):
    """What `review.open` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    task: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="What to look at when the incident is over."
    )


class PageArguments(BaseModel):
    """What `pagerduty.trigger` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="Why somebody must be woken; for the timeline."
    )


T = TypeVar("T", bound=BaseModel)


class _Writing(Action[T]):
    kind: ClassVar[str]

    def __init__(self, record: Record | None, clock: Clock, wake: Callable[[], None]) -> None:
        self._record = record
        self._clock = clock
        self._wake = wake

    async def find(self, arguments: T, idempotency_key: str) -> Outcome | None:
        found = await asyncio.to_thread(self._book.entry, idempotency_key)
        return None if found is None else Outcome(self.done(arguments))

    @abstractmethod
    def done(self, arguments: T) -> str:
        """What the step's own entry says."""

    @property
    def _book(self) -> Record:
        if self._record is None:
            raise ActionError(f"{self.name} needs core's store; it runs in core alone")
        return self._record

    def entry(self, context: ActionContext, text: str, *, is_broadcast: bool = False) -> TimelineEntry:
        """The entry of one act."""
        marked = f"DRILL: {text}" if context.is_drill else text
        return TimelineEntry(
            context.idempotency_key,
            context.incident_id,
            self._clock.now(),
            _ACTOR,
            self.kind,
            marked,
            is_broadcast=is_broadcast,
        )


class SlackPost(_Writing[TextArguments]):
    """Says something in the incident's thread."""

    name: ClassVar[str] = "slack.post"
    only_tells: ClassVar[bool] = True
    summary: ClassVar[str] = "Say something in the incident's thread, or in its channel too."
    kind: ClassVar[str] = "run.said"
    arguments = TextArguments

    def describe(self, arguments: TextArguments, prior: Facts, ttl_s: float | None) -> Description:
        where = "the incident's channel and thread" if arguments.to_channel else "the incident's thread"
        return Description(f"say in {where}: {arguments.text}", "there is no undo; what was said stays")

    def done(self, arguments: TextArguments) -> str:
        return "Said so in the channel" if arguments.to_channel else "Said so in the thread"

    async def act(self, arguments: TextArguments, context: ActionContext) -> Outcome:
        entry = self.entry(context, arguments.text, is_broadcast=arguments.to_channel)
        await asyncio.to_thread(self._book.add_entry, entry)
        self._wake()
        return Outcome(self.done(arguments))


class ReviewOpen(_Writing[ReviewArguments]):
    """Notes a task for after the incident."""

    name: ClassVar[str] = "review.open"
    only_tells: ClassVar[bool] = True
    summary: ClassVar[str] = "Note a task for after the incident; the postmortem lists it."
    kind: ClassVar[str] = "review.opened"
    arguments = ReviewArguments

    def describe(self, arguments: ReviewArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(f"note for the postmortem: {arguments.task}", "there is no undo; strike it out there")

    def done(self, arguments: ReviewArguments) -> str:
        return f"Noted for the postmortem: {arguments.task}"

    async def act(self, arguments: ReviewArguments, context: ActionContext) -> Outcome:
        await asyncio.to_thread(self._book.add_entry, self.entry(context, f"To review: {arguments.task}"))
        self._wake()
        return Outcome(self.done(arguments))


class PageOutputs(BaseModel):
    """What `pagerduty.trigger` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_paged: bool = Field(description="Whether somebody is paged; not if the incident is over or somebody has it.")


class PagerDutyTrigger(_Writing[PageArguments]):
    """Has somebody paged, whatever the severity."""

    name: ClassVar[str] = "pagerduty.trigger"
    only_tells: ClassVar[bool] = True
    summary: ClassVar[str] = "Page whoever is on call in PagerDuty for the incident, whatever its severity."
    kind: ClassVar[str] = "page.asked"
    arguments = PageArguments
    outputs = PageOutputs

    def __init__(self, record: Record | None, clock: Clock, wake: Callable[[], None], pager: Pager | None) -> None:
        super().__init__(record, clock, wake)
        self._pager = pager

    async def prior(self, arguments: PageArguments) -> Facts:
        self._way()
        return {}

    def describe(self, arguments: PageArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(
            f"page whoever is on call in PagerDuty: {arguments.reason}",
            "there is no undo; the page ends with the incident",
        )

    def done(self, arguments: PageArguments) -> str:
        return f"Asked PagerDuty to page: {arguments.reason}"

    async def act(self, arguments: PageArguments, context: ActionContext) -> Outcome:
        entry = self.entry(context, f"Paging: {arguments.reason}")
        is_paged = await asyncio.to_thread(self._way().page_now, entry)
        self._wake()
        text = self.done(arguments) if is_paged else "Nobody is paged: the incident is over, or somebody has it"
        return Outcome(text, {"is_paged": is_paged})

    async def find(self, arguments: PageArguments, idempotency_key: str) -> Outcome | None:
        found = await asyncio.to_thread(self._book.entry, idempotency_key)
        return None if found is None else Outcome(self.done(arguments), {"is_paged": True})

    def _way(self) -> Pager:
        if self._pager is None:
            raise ActionError("no pager is set up; name one under `paging` in opsbot.yaml")
        return self._pager
