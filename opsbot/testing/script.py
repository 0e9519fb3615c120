"""What the test says people do: each order is carried out through the bot's own doors when its time has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from opsbot.errors import OpsbotError
from opsbot.runbook.store import AnnouncementRow, ApprovalRow
from opsbot.testing.wire import DecisionField, HoldField
from opsbot.testing.world import Process, World

Kind = Literal["approve", "deny", "object", "go_now", "capacity"]
HOLD_S = 24 * 3600.0
"""How long a hold lasts whose end a test does not say."""
KINDS: tuple[Kind, ...] = ("approve", "deny", "object", "go_now", "capacity")


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
        self._decisions = [_Decision(kind, one) for kind in KINDS for one in getattr(test, kind)]
        self._orders = sorted(_orders(self.world), key=lambda order: order.at)

    async def look(self, process: Process) -> None:
        """Do what is due."""
        now = self.world.clock.now() - self.world.start_s
        for order in self._orders:
            if not order.is_done and order.at <= now:
                order.is_done = True
                await self._try(order.what, order.rejected, lambda order=order: order.do(process))  # type: ignore[misc]
        for approval in self.world.approvals():
            if approval.state == "open":
                await self._answer(process, approval, ("approve", "deny"), now)
        for said in self.world.announcements():
            if said.state == "open":
                await self._answer(process, said, ("object", "go_now", "capacity"), now)

    def next_at(self) -> float | None:
        """When, seconds from the beginning, something is due that is known already."""
        times = [order.at for order in self._orders if not order.is_done]
        now = self.world.clock.now() - self.world.start_s
        asked: list[ApprovalRow | AnnouncementRow] = [one for one in self.world.approvals() if one.state == "open"]
        asked += [one for one in self.world.announcements() if one.state == "open"]
        for one in asked:
            times += [self._due(order, one) for order in self._waiting(one.step_id)]
        return min((at for at in times if at > now), default=None)

    @property
    def has_orders(self) -> bool:
        """Whether an order of a fixed time is left."""
        return any(not order.is_done for order in self._orders)

    def left(self) -> Iterator[str]:
        """Decisions that nobody asked for."""
        return (order.what for order in self._decisions if not order.is_done)

    async def _answer(
        self, process: Process, asked: ApprovalRow | AnnouncementRow, kinds: tuple[Kind, ...], now: float
    ) -> None:
        for order in self._waiting(asked.step_id):
            if order.kind in kinds and self._due(order, asked) <= now:
                order.is_done = True
                await self._try(order.what, order.field.rejected, lambda: self._decide(process, order, asked))  # noqa: B023

    def _waiting(self, step_id: str) -> list[_Decision]:
        return [one for one in self._decisions if not one.is_done and one.field.step == step_id]

    def _due(self, order: _Decision, asked: ApprovalRow | AnnouncementRow) -> float:
        if order.field.at is not None:
            return order.field.at
        return asked.requested_at - self.world.start_s + (order.field.after or 0.0)

    async def _decide(self, process: Process, order: _Decision, asked: ApprovalRow | AnnouncementRow) -> None:
        person, field = self.world.person(order.field.by), order.field
        if isinstance(asked, ApprovalRow):
            await process.people.decide(asked.approval_id, is_granted=order.kind == "approve", person=person)
        elif order.kind == "capacity":
            await process.people.offer_capacity(asked.announcement_id, person)
        elif order.kind == "object":
            await process.people.object(asked.announcement_id, person, field.reason)
        else:
            await process.people.go_now(asked.announcement_id, person)

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
            await process.desk.resolve(run.incident_id, "the test says so", world.person("somebody"))

    async def undo(process: Process) -> None:
        assert test.undo is not None
        await process.people.undo(world.runs()[0].run_id, world.person(test.undo.by))

    async def cancel(process: Process) -> None:
        assert test.cancel is not None
        why = test.cancel.reason or "the test says so"
        await process.people.cancel(world.runs()[0].run_id, world.person(test.cancel.by), why)

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
    if test.halt is not None:
        yield _Order("the halt", test.halt.at, "", halt)
        if test.halt.until is not None:
            yield _Order("the end of the halt", test.halt.until, "", lift)
    for one in test.holds:
        yield _Order(f"the hold of {one.knob}", one.at, "", _hold(world, one))


def _hold(world: World, one: HoldField) -> Callable[[Process], Awaitable[None]]:
    async def hold(process: Process) -> None:
        ends_s = one.until if one.until is not None else one.at + HOLD_S
        person, now = world.person(one.by), world.clock.now()
        world.stores.knobs.hold(one.knob, one.reason, person, now, world.start_s + ends_s)

    return hold
