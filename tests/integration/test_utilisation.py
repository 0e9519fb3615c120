"""Reports over the store, the outbox and the local workspace: once each, after a crash, a restart or an absence too."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from opsbot.errors import SourceError
from opsbot.store.reports import ReportRepository
from opsbot.utilisation.reporter import Files
from opsbot.utilisation.slots import Schedule
from tests.support.told_load import ToldLoad, file_of, text_of, told_load

pytestmark = pytest.mark.integration

EVERY = {"every": "1h"}


async def at_the_next(load: ToldLoad) -> None:
    """The clock comes to the next full hour."""
    now = load.clock.now()
    load.clock.advance(next(iter(Schedule(load.settings.utilisation.zone, every_s=3600.0).after(now))) - now + 1)  # type: ignore[union-attr]


class Killed(BaseException):
    """The process ends here."""


class DiesAfter:
    """Uploads, and then the process is gone."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def file(self, name: str, png: bytes, title: str, alt_text: str, since: float, *, may_be_there: bool) -> str:
        await self._files.file(name, png, title, alt_text, since, may_be_there=may_be_there)
        raise Killed


async def test_a_post_is_whole_in_its_text_and_has_a_chart(tmp_path: Path) -> None:
    """At the first slot after the first start; nothing before it."""
    async with told_load(tmp_path, post=EVERY) as load, load.process() as told:
        await told.reporter.look()
        assert ReportRepository(load.database).untold() == ()
        await at_the_next(load)
        await told.reporter.look()
        (message,) = await load.said(1)
        await told.reporter.look()
        assert len(await load.said(1)) == 1
    lines = text_of(message).splitlines()
    assert re.fullmatch(r"\d+(\.\d+)?k tokens a minute.*", lines[0])
    assert "eu-1: " in text_of(message)
    assert "Times are UTC." in text_of(message)
    assert file_of(message) is not None
    image = next(block for block in message["blocks"] if block["type"] == "image")
    assert image["alt_text"].startswith("The fleet's last ")


async def test_a_process_that_dies_after_the_upload_posts_once_with_one_file(tmp_path: Path) -> None:
    """The next one finds the file by its name."""
    async with told_load(tmp_path, post=EVERY) as load:
        async with load.process(DiesAfter) as told:
            await told.reporter.look()
            await at_the_next(load)
            with pytest.raises(Killed):
                await told.reporter.look()
        assert load.messages() == []
        async with load.process() as told:
            await told.reporter.look()
            (message,) = await load.said(1)
        files = load.workspace.files.list()
        assert [file["id"] for file in files] == [file_of(message)]


async def test_two_replicas_post_once(tmp_path: Path) -> None:
    """The slot is the key."""
    async with told_load(tmp_path, post=EVERY) as load, load.process() as one, load.process() as other:
        await one.reporter.look()
        await at_the_next(load)
        await asyncio.gather(one.reporter.look(), other.reporter.look())
        await load.said(1)


async def test_what_was_missed_is_skipped_and_said(tmp_path: Path) -> None:
    """After an absence over three slots one post is made, and it says so."""
    async with told_load(tmp_path, post=EVERY) as load, load.process() as told:
        await told.reporter.look()
        await at_the_next(load)
        with load.database.write() as connection:
            connection.exec_driver_sql("UPDATE report SET slot = ?", (load.clock.now() - 1 - 3 * 3600,))
        await told.reporter.look()
        (message,) = await load.said(1)
    assert "2 posts were skipped since " in text_of(message)


async def test_posts_that_wait_for_slack_are_not_posted_in_a_bunch(tmp_path: Path) -> None:
    """The newest is; the others are counted in it."""
    async with told_load(tmp_path, post=EVERY) as load:
        reports = ReportRepository(load.database)
        async with load.process() as told:
            await told.reporter.look()
            await at_the_next(load)
            now = load.clock.now()
            for slot in (now - 7201, now - 3601):
                made = await told.makers.post(slot, now, ())
                assert reports.add(made)
                assert not reports.add(made)
                # As it is when Slack was away: in the outbox, and due only later.
                reports.tell(made.key, None)
                with load.database.write() as connection:
                    connection.exec_driver_sql("UPDATE outbox SET next_at = ?", (now + 1e6,))
            await told.reporter.look()
            (message,) = await load.said(1)
    assert "2 posts were skipped: the channel could not be reached." in text_of(message)


async def test_without_numbers_nothing_is_told_and_it_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A slot whose numbers never came is missed, and the next post says so."""
    async with told_load(tmp_path, clusters=(), post=EVERY) as load, load.process() as told:
        await told.reporter.look()
        await at_the_next(load)
        await told.reporter.look()
        assert load.messages() == []
    assert "the report post is not made, trying again" in caplog.text


async def test_the_peak_says_what_a_week_before_had_from_its_own_report(tmp_path: Path) -> None:
    """Sources mostly forget sooner than a week."""
    async with told_load(tmp_path, peak=EVERY) as load, load.process() as told:
        reports, now = ReportRepository(load.database), load.clock.now()
        first = await told.makers.peak(now - 7 * 86_400, now, ())
        assert reports.add(first)
        report = await told.makers.peak(now, now, ())
    assert report.title.startswith("Peak on ")
    assert "As much as a week before." in report.lines[1]
    assert report.lines[2] == "No emergency setting was in force at the peak."


async def test_traffic_by_country_is_bars_and_a_table(tmp_path: Path) -> None:
    """Counted by the front door; on demand and by its schedule alike."""
    counts = {"DE": 6.0, "US": 3.0, "unknown": 1.0}
    async with told_load(tmp_path, counts, traffic=EVERY) as load, load.process() as told:
        await told.reporter.look()
        await at_the_next(load)
        await told.reporter.look()
        (message,) = await load.said(1)
        asked = await told.traffic(load.clock.now())
    assert text_of(message).startswith("Traffic by country: DE 60%")
    assert "DE: " in text_of(message)
    assert file_of(message) is not None
    assert asked.title == "Traffic by country: DE 60%"


async def test_without_countries_it_says_what_to_set(tmp_path: Path) -> None:
    """And has no picture."""
    async with told_load(tmp_path) as load, load.process() as told:
        report = await told.traffic(load.clock.now())
    assert report.lines[0].startswith("Nothing counts requests by country here")
    assert report.picture is None


async def test_a_source_that_is_away_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Whoever asks is told; nothing is made up."""
    async with told_load(tmp_path, clusters=()) as load, load.process() as told:
        with pytest.raises(SourceError):
            await told.makers.peak(load.clock.now(), load.clock.now(), ())
