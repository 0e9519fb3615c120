"""The fleet's day over watch's query API: two days of history, and a source that is only minutes old."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.capacity.hardware import Figures
from opsbot.chart.fleet_pictures import FleetPictures
from opsbot.chart.worker import Drawer
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.history.file import Batch, Limits
from opsbot.history.keeper import HistoryKeeper
from opsbot.promql.samples import SampleStore
from opsbot.source.prometheus import PrometheusSource
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.support.fleet_samples import BUSY, PLAIN, store_of
from tests.support.history import block, series
from tests.support.ports import free_port
from tests.support.watching import NoView, served

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n"


def pictures(url: str) -> FleetPictures:
    """What is under test."""
    return FleetPictures(PrometheusSource(url), Figures(None, "bf16"), Drawer(), "dark")


async def test_two_days_of_history(tmp_path: Path) -> None:
    """Today's tokens, yesterday's, and the peak, from what watch kept on disk."""
    now = time.time()
    # Minutes, since what is older than a day is kept by the minute.
    start_s, num_steps = now // 60 * 60 - 47 * 3600, 47 * 60
    labels = {"cluster": "eu", "instance": "eu:8000", "model_name": "llama", "engine": "0"}
    per_step = [600.0 if step < num_steps - 24 * 60 else 1200.0 for step in range(num_steps)]
    per_step[num_steps - 300 : num_steps - 240] = [2400.0] * 60
    total, grown = 0.0, []
    for tokens in per_step:
        total += tokens
        grown.append(total)
    found = block(
        [start_s + 60 * step for step in range(num_steps)],
        {
            series("vllm:generation_tokens_total", **labels): grown,
            series("vllm:kv_cache_usage_perc", **labels): [tokens / 4800 for tokens in per_step],
        },
    )
    keeper = HistoryKeeper(tmp_path / "history.sqlite", Limits())
    keeper.take([Batch('["eu","url"]', found)])
    await keeper.written(now)
    api = QueryApi(Past(SampleStore(900), keeper), SystemClock(), NoView())
    async with served(api.app) as url:
        of = pictures(url)
        day = await of.day(now)
        assert day is not None
        picture, bars = await of.of_day(day), await of.of_clusters(day)
    keeper.close(now)
    assert day.span == "24 hours"
    assert day.peak is not None
    assert day.peak.tokens_per_min == pytest.approx(2400, rel=0.02)
    assert 4.0 <= (now - day.peak.at) / 3600 <= 5.1
    assert day.peak.used_ratio == pytest.approx(0.5, rel=0.05)
    assert day.yesterdays_peak is not None
    assert day.yesterdays_peak.tokens_per_min == pytest.approx(600, rel=0.02)
    assert picture is not None
    assert bars is not None
    assert picture.png.startswith(PNG)
    assert bars.png.startswith(PNG)
    assert picture.title == "The fleet's last 24 hours"
    assert "The peak was 2.4k at " in picture.alt_text


async def test_a_source_that_is_minutes_old() -> None:
    """It is looked at closely, and what it carries now is not thinned out over a range that it does not fill."""
    now = time.time()
    young = store_of([replace(BUSY, levels_before={}), PLAIN], now)
    async with served(QueryApi(Past(young, None), SystemClock(), NoView()).app) as url:
        of = pictures(url)
        day = await of.day(now)
        assert day is not None
        picture = await of.of_day(day, "light")
    assert day.span == "60 minutes"
    assert day.tokens_now == pytest.approx(60_000 + 3_600, rel=0.02)
    assert {one.cluster: round(one.used_ratio or 0, 2) for one in day.loads} == {"eu-1": 1.0, "us-1": 0.2}
    # 60,000 of 60,000, and 3,600 of 18,000.
    assert day.used_now == pytest.approx(63_600 / 78_000, rel=0.02)
    assert picture is not None
    assert picture.title == "The fleet's last 60 minutes"


async def test_without_a_source_it_says_so() -> None:
    """The one who posts decides what to say."""
    with pytest.raises(SourceError):
        await pictures(f"http://127.0.0.1:{free_port()}").day(time.time())


async def test_countries_are_drawn_or_nothing() -> None:
    """No counts, no picture."""
    of = pictures("http://127.0.0.1:9")
    found = await of.of_countries({"DE": 3.0, "US": 9.0}, "requests a week")
    assert found is not None
    assert found.alt_text == "Traffic by country in requests a week, and share of all: US 9, 75%; DE 3, 25%."
    assert await of.of_countries({}) is None
