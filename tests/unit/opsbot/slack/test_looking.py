"""`/ops status` and `/ops capacity`: a table that a phone shows whole, and one round of questions."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from opsbot.capacity.forecast import Readings
from opsbot.chart.picture import Picture
from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.runbook.store import Halt, KnobHold
from opsbot.slack.commands import answer_to
from opsbot.slack.day_chart import DayChart
from opsbot.slack.typed import Typed
from opsbot.slack.upload import Uploader
from opsbot.vitals.day import FleetDay, Load, Peak
from opsbot.vitals.vitals import Fleet, LeaseInForce, Vitals
from tests.support.incident_views import OPENED_AT, make_view
from tests.support.outbox import ManualClock
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

ANN = Person("U0ONCALL", frozenset({"responder"}))
LEASE = LeaseInForce("batch_limit", "8", "run:x<!channel>", OPENED_AT + 600)
FLEET = Fleet(
    OPENED_AT,
    {
        "eu-1": Vitals("eu-1", running=8, batch_limit=8, kv_ratio=0.93, waiting=14, ttft_s=1.9, leases=(LEASE,)),
        "a-very-long-cluster-name": Vitals("a-very-long-cluster-name", sight="blind", num_targets=2, num_up=0),
    },
    missing=("leases of a-very-long-cluster-name: no answer",),
)
BEFORE = Fleet(OPENED_AT - 600, {"eu-1": Vitals("eu-1", kv_ratio=0.5)})


class Counted:
    """Answers from memory, and counts how often."""

    def __init__(self) -> None:
        self.rounds = 0

    async def fleet(self) -> Fleet:
        self.rounds += 1
        return FLEET

    async def before(self) -> Fleet:
        return BEFORE


async def answer(text: str, reader: Counted, day: FleetDay | None = None) -> str:
    """What is answered while an incident is open, runs are stopped and a knob is held."""
    commands = RecordedCommands([make_view()])
    commands.halted = Halt(1, "the region is down", "U0BOSS", OPENED_AT)
    commands.held = (KnobHold(3, "eu-1/*", "mine", "U0ANN", OPENED_AT, OPENED_AT + 60),)

    async def read() -> FleetDay | None:
        return day

    found = await answer_to(seat_of(commands, fleet=reader, day=read), Typed(text, ANN))
    assert isinstance(found, str)
    return found


async def test_status_says_everything_with_one_round_of_questions() -> None:
    """Stops, the fleet with what needs eyes first, leases, what is not known, what is open, what is held."""
    reader = Counted()
    said = await answer("status", reader)
    assert reader.rounds == 1
    table = said.split("```")[1].splitlines()
    assert max(map(len, table)) <= 34
    assert [row.split()[0] for row in table[1:]] == ["a-very-long-…", "eu-1"]
    assert "8/8" in table[2]
    assert "93%↗" in table[2]
    assert said.startswith("■ *All runs are stopped* by <@U0BOSS>")
    assert "is blind: 0 of 2 targets answer" in said
    assert "<!channel>" not in said
    assert "Not known: leases of a-very-long-cluster-name" in said
    assert "1 open:" in said
    assert "`/ops unhold 3`" in said


async def test_one_cluster_however_it_is_typed() -> None:
    """And one that there is not is suggested."""
    said = await answer("status EU1", Counted())
    assert "a-very-long" not in said.split("```")[1]
    assert "Held by: queue" in said
    with pytest.raises(ConfigError, match="did you mean `eu-1`"):
        await answer("status eu-11", Counted())


async def test_capacity_says_the_day() -> None:
    """Now, the peaks, where it goes, and each cluster."""
    readings = Readings(OPENED_AT, 600.0, [1000.0, 2000.0])
    peak = Peak(OPENED_AT, 2000.0, 0.5, "eu-1")
    loads = (Load("eu-1", "small", 2000.0, 0.5, "KV", 4000.0), Load("eu-2", "small", None, None, None, None))
    day = FleetDay(OPENED_AT, readings, readings, readings, peak, None, "It grows by 4% a day.", None, loads)
    said = await answer("capacity", Counted(), day)
    assert "*2k tok/min*" in said or "*2.00k tok/min*" in said or "tok/min*" in said
    assert "today's peak" in said
    assert "It grows by 4% a day." in said
    assert "*eu-2* small: no reading" in said
    only = await answer("capacity eu-2", Counted(), day)
    assert "eu-1" not in only
    assert "could not be put together" in await answer("capacity", Counted())


class Uploads:
    """Keeps what was uploaded and deleted."""

    def __init__(self) -> None:
        self.files: list[str] = []

    async def upload(self, png: bytes, name: str, title: str, alt_text: str) -> str:
        self.files.append(f"F{len(self.files) + 1}")
        return self.files[-1]

    async def delete(self, file_id: str) -> None:
        self.files.remove(file_id)


async def test_the_chart_of_the_day_is_made_once_for_all_who_ask() -> None:
    """A later one takes its place; where none can be drawn the words stand alone."""
    uploads, clock = Uploads(), ManualClock(OPENED_AT)
    drawn = 0

    async def draw(day: FleetDay) -> Picture | None:
        nonlocal drawn
        drawn += 1
        return Picture(b"png", "The fleet carries 2k.", "The fleet's last 24 hours")

    async def nothing(day: FleetDay) -> Picture | None:
        return None

    chart = DayChart(draw, cast(Uploader, uploads), clock)
    day = FleetDay(
        OPENED_AT, Readings(OPENED_AT, 600.0, [1.0]), Readings(OPENED_AT, 600.0, [1.0]), None, None, None, "", None, ()
    )
    first, again = await asyncio.gather(chart.blocks(day), chart.blocks(day))
    assert drawn == 1
    assert first == again
    shown = first[0].to_dict()
    assert (shown["type"], shown["slack_file"], shown["alt_text"]) == ("image", {"id": "F1"}, "The fleet carries 2k.")
    clock.advance(301)
    assert (await chart.blocks(day))[0].to_dict()["slack_file"] == {"id": "F2"}
    assert uploads.files == ["F2"]
    assert await DayChart(nothing, cast(Uploader, uploads), clock).blocks(day) == []
