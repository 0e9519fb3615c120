"""The drawing process: the loop goes on, what hangs or fails is no picture, and the next one is drawn."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import pytest

from opsbot.chart.incident_chart import draw
from opsbot.chart.incident_picture import IncidentPicture
from opsbot.chart.worker import Drawer
from opsbot.errors import SourceError
from opsbot.incident.view import IncidentView
from opsbot.vitals.incident import Course
from tests.support.courses import END_S, make_course
from tests.support.incident_views import make_view
from tests.support.waiting import until


def fail(text: str) -> bytes:
    """Breaks."""
    raise ValueError(text)


def hang(seconds: float) -> bytes:
    """Never ends."""
    time.sleep(seconds)
    return b""


def die(status: int) -> bytes:
    """Takes its process along."""
    os._exit(status)


async def test_it_draws_elsewhere_and_keeps_the_process() -> None:
    """Two tasks in one other process."""
    drawer = Drawer()
    first, second = await asyncio.gather(drawer.drawn(os.getpid), drawer.drawn(os.getpid))
    assert first == second != os.getpid()


async def test_an_idle_process_ends_and_another_takes_its_place() -> None:
    """Its memory is not held for ever; who asks afterwards notices nothing."""
    drawer = Drawer(idle_s=1)
    first = await drawer.drawn(os.getpid)
    assert first is not None
    await until(lambda: not Path(f"/proc/{first}").exists(), 20.0)
    second = await drawer.drawn(os.getpid)
    assert second not in (None, first)


SCRIPT = """\
import asyncio, os, signal
from opsbot.chart.worker import Drawer

async def main():
    print(await Drawer().drawn(os.getpid), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_it_does_not_outlive_a_bot_that_is_killed(tmp_path: Path) -> None:
    """Its standard input closes, and it leaves."""
    script = tmp_path / "bot.py"
    script.write_text(SCRIPT)
    bot = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    told, _ = await bot.communicate()
    assert bot.returncode == -9
    await until(lambda: not Path(f"/proc/{int(told)}").exists(), 20.0)


async def test_what_hangs_is_killed_and_the_next_is_drawn() -> None:
    """A picture that never ends must not stop all that follow."""
    drawer = Drawer(limit_s=5.0)
    assert await drawer.drawn(os.getpid) is not None
    hasty = Drawer(limit_s=0.3)
    assert await hasty.drawn(hang, 60.0) is None
    assert await drawer.drawn(os.getpid) is not None


async def test_what_fails_or_dies_is_no_picture(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and whoever is told with a picture is told without."""
    drawer = Drawer()
    with caplog.at_level(logging.ERROR):
        assert await drawer.drawn(fail, "no such colour") is None
        assert await drawer.drawn(die, 3) is None
    assert "no such colour" in caplog.text
    assert "the drawing process ended" in caplog.text
    assert await drawer.drawn(os.getpid) is not None


class Courses:
    """Answers what a test says."""

    def __init__(self, answer: Course | SourceError | None) -> None:
        self._answer = answer

    async def course(self, view: IncidentView, now: float) -> Course | None:
        if isinstance(self._answer, SourceError):
            raise self._answer
        return self._answer


async def test_an_incident_is_rendered() -> None:
    """A picture with its title and its alt text, the same as is drawn here."""
    picture = await IncidentPicture(Courses(make_course()), Drawer()).render(make_view(), END_S, "dark")
    assert picture is not None
    assert picture.png == draw(make_course(), "KV cache pressure on local", "dark")
    assert picture.title == "INC-1: eu-1 over 30 minutes"
    assert picture.alt_text.startswith("eu-1, the 30 minutes to 14:20 UTC.")


@pytest.mark.parametrize("answer", [None, SourceError("away")], ids=["no data", "no source"])
async def test_without_data_there_is_no_picture(answer: SourceError | None) -> None:
    """And nothing raises."""
    assert await IncidentPicture(Courses(answer), Drawer()).render(make_view(), END_S) is None
