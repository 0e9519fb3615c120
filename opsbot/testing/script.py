"""What the test says people do: each order is carried out through the bot's own doors when its time has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from opsbot.errors import OpsbotError
from opsbot.runbook.store import AnnouncementRow, ApprovalRow
from opsbot.testing.doings import DecisionField, HoldField, SettleField, SkipField
from opsbot.testing.world import Process, UnknownAct, World

Kind = Literal["approve", "deny", "object", "go_now", "capacity", "skip", "settle"]
Asked = ApprovalRow | AnnouncementRow | UnknownAct
"""What people are asked: whether something may be done, or whether it was done."""
HOLD_S = 24 * 3600.0
"""How long a hold lasts whose end a test does not say."""
NO_REASON = "the test says so"
"""Why people do what a test gives no reason for."""
KINDS: tuple[Kind, ...] = ("approve", "deny", "object", "go_now", "capacity", "skip", "settle")
_ABOUT_APPROVALS: tuple[Kind, ...] = ("approve", "deny", "skip")
_ABOUT_ANNOUNCEMENTS: tuple[Kind, ...] = ("object", "go_now", "capacity", "skip")


@dataclass(slots=True)
class _Decision:
    kind: Kind
    field: DecisionField
    is_done: bool = False

    @property
    def what(self) -> str:
        return f"{self.kind} {self.field.step} by {self.field.by}"


@dataclass(slots=True)
class _Order:
    what: str
    at: float
    rejected: str
    do: Callable[[Process], Awaitable[object]]
    is_done: bool = False


@dataclass(slots=True)
class Script:
    """The orders of one test; it outlives crashes."""

    world: World
    problems: list[str] = field(default_factory=list)
    _decisions: list[_Decision] = field(default_factory=list)
    _orders: list[_Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        test = self.world.case.test
        self._decisions = [
            _Decision(kind, one) for kind in KINDS for one in getattr(test, kind) if not _is_of_fixed_time(one)
        ]
        self._orders = sorted(_orders(self.world), key=lambda order: order.at)

    async def look(self, process: Process) -> None:
        """Do what is due."""
        now = self.world.clock.now() - self.world.start_s
        for order in self._orders:
            if not order.is_done and order.at <= now:
                order.is_done = True
                await self._try(order.what, order.rejected, lambda order=order: order.do(process))  # type: ignore[misc]
        for asked in self._open():
            await self._answer(process, asked, now)

    def next_at(self) -> float | None:
        """When, seconds from the beginning, something is due that is known already."""
        times = [order.at for order in self._orders if not order.is_done]
        now = self.world.clock.now() - self.world.start_s
        times += [self._due(order, one) for one in self._open() for order in self._waiting(one)]
        return min((at for at in times if at > now), default=None)

    @property
    def has_orders(self) -> bool:
        """Whether an order of a fixed time is left, or one about what people are asked now."""
        return any(not order.is_done for order in self._orders) or any(self._waiting(one) for one in self._open())

    def left(self) -> Iterator[str]:
        """Decisions that nobody asked for."""
        return (order.what for order in self._decisions if not order.is_done)

    def _open(self) -> list[Asked]:
        """What people are asked now."""
        world = self.world
        approvals = [one for one in world.approvals() if one.state == "open"]
        announcements = [one for one in world.announcements() if one.state == "open"]
        return [*approvals, *announcements, *world.unknown()]

    async def _answer(self, process: Process, asked: Asked, now: float) -> None:
        for order in self._waiting(asked):
            # Once it is decided, whoever is left answers the next request.
            if self._due(order, asked) <= now and _key(asked) in map(_key, self._open()):
                order.is_done = True
                await self._try(order.what, order.field.rejected, lambda: self._decide(process, order, asked))  # noqa: B023

    def _waiting(self, asked: Asked) -> list[_Decision]:
        kinds: tuple[Kind, ...] = ("settle",)
        if not isinstance(asked, UnknownAct):
            kinds = _ABOUT_APPROVALS if isinstance(asked, ApprovalRow) else _ABOUT_ANNOUNCEMENTS
        return [
            one for one in self._decisions if not one.is_done and one.kind in kinds and one.field.step == asked.step_id
        ]

    def _due(self, order: _Decision, asked: Asked) -> float:
        if order.field.at is not None:
            return order.field.at
        since = asked.since if isinstance(asked, UnknownAct) else asked.requested_at
        return since - self.world.start_s + (order.field.after or 0.0)

    async def _decide(self, process: Process, order: _Decision, asked: Asked) -> None:
        person, field, people = self.world.person(order.field.by), order.field, process.people
        if order.kind == "skip":
            await people.skip(asked.run_id, asked.step_id, person, field.reason or NO_REASON)
        elif isinstance(asked, UnknownAct):
            assert isinstance(field, SettleField)
            await people.settle(asked.run_id, asked.step_id, field.happened, person)
        elif isinstance(asked, ApprovalRow):
            await people.decide(asked.approval_id, is_granted=order.kind == "approve", person=person)
        elif order.kind == "capacity":
            await people.offer_capacity(asked.announcement_id, person)
        elif order.kind == "object":
            await people.object(asked.announcement_id, person, field.reason)
        else:
            await people.go_now(asked.announcement_id, person)

    async def _try(self, what: str, rejected: str, do: Callable[[], Awaitable[object]]) -> None:
        try:
            await do()
        except OpsbotError as error:
            if not rejected:
                self.problems.append(f"{what} was not accepted: {error}")
            elif rejected not in str(error):
                self.problems.append(f"{what} was to be rejected with {rejected!r}, and was with: {error}")
        else:
            if rejected:
                self.problems.append(f"{what} was accepted, and was to be rejected with {rejected!r}")


def _key(asked: Asked) -> str:
    match asked:
        case ApprovalRow():
            return asked.approval_id
        case AnnouncementRow():
            return asked.announcement_id
    return f"{asked.run_id} {asked.step_id} {asked.since}"


def _orders(world: World) -> Iterator[_Order]:
    test, case = world.case.test, world.case
    knobs = world.stores.knobs

    async def fire(process: Process) -> None:
        await process.desk.ingest([world.alert(is_over=False)])
        world.give_inputs()
        process.executor.wake()

    async def end(process: Process) -> None:
        await process.desk.ingest([world.alert(is_over=True)])
        process.executor.wake()

    async def resolve(process: Process) -> None:
        for run in world.runs():
            await process.desk.resolve(run.incident_id, NO_REASON, world.person("somebody"))

    async def undo(process: Process) -> None:
        assert test.undo is not None
        await process.people.undo(world.runs()[0].run_id, world.person(test.undo.by))

    async def cancel(process: Process) -> None:
        assert test.cancel is not None
        why = test.cancel.reason or NO_REASON
        await process.people.cancel(world.runs()[0].run_id, world.person(test.cancel.by), why)

    async def pause(process: Process) -> None:
        assert test.pause is not None
        await process.people.pause(world.runs()[0].run_id, world.person(test.pause.by), test.pause.reason)

    async def go_on(process: Process) -> None:
        assert test.pause is not None
        await process.people.resume(world.runs()[0].run_id, world.person(test.pause.by))

    async def halt(process: Process) -> None:
        assert test.halt is not None
        knobs.stop_all(test.halt.reason, world.person(test.halt.by), world.clock.now())
        process.executor.wake()

    async def lift(process: Process) -> None:
        assert test.halt is not None
        knobs.go_on(world.person(test.halt.by), world.clock.now())
        process.executor.wake()

    if case.rules is None:
        yield _Order("the alert", case.alert.at, "", fire)
    if test.resolve is not None:
        yield _Order("the end of the alert", test.resolve, "", end if case.rules is None else resolve)
    if test.undo is not None:
        yield _Order(f"undo by {test.undo.by}", test.undo.at, test.undo.rejected, undo)
    if test.cancel is not None:
        yield _Order(f"cancel by {test.cancel.by}", test.cancel.at, test.cancel.rejected, cancel)
    if test.pause is not None:
        yield _Order(f"pause by {test.pause.by}", test.pause.at, test.pause.rejected, pause)
        if test.pause.until is not None:
            yield _Order(f"resume by {test.pause.by}", test.pause.until, "", go_on)
    for one in test.skip:
        if one.at is not None:
            yield _Order(f"skip {one.step} by {one.by}", one.at, one.rejected, _skip(world, one))
    if test.halt is not None:
        yield _Order("the halt", test.halt.at, "", halt)
        if test.halt.until is not None:
            yield _Order("the end of the halt", test.halt.until, "", lift)
    for held in test.holds:
        yield _Order(f"the hold of {held.knob}", held.at, "", _hold(world, held))


def _is_of_fixed_time(field: DecisionField) -> bool:
    """A step may be left out before anybody is asked about it."""
    return isinstance(field, SkipField) and field.at is not None


def _skip(world: World, one: SkipField) -> Callable[[Process], Awaitable[None]]:
    async def skip(process: Process) -> None:
        run_id = world.runs()[0].run_id
        await process.people.skip(run_id, one.step, world.person(one.by), one.reason or NO_REASON)

    return skip


def _hold(world: World, one: HoldField) -> Callable[[Process], Awaitable[None]]:
    async def hold(process: Process) -> None:
        ends_s = one.until if one.until is not None else one.at + HOLD_S
        person, now = world.person(one.by), world.clock.now()
        world.stores.knobs.hold(one.knob, one.reason, person, now, world.start_s + ends_s)

    return hold
