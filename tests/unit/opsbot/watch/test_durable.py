"""What rules and queries see of the past, in one life of watch and over several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from opsbot.history.file import Limits
from opsbot.history.level import FINE
from opsbot.promql.labelset import LabelSet, freeze
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError, parse
from opsbot.promql.vector import Value
from opsbot.watch import level_memory
from opsbot.watch.durable import Durable
from opsbot.watch.evaluation import Evaluation
from opsbot.watch.query_api import QueryApi
from opsbot.watch.sheet_key import key_text
from tests.support.history import block, named, series
from tests.support.watching import StepClock

START_S = 1_700_002_800.0
M = series("m_total", cluster="a")


class Life:
    """A watch's samples and past, without its servers."""

    def __init__(self, folder: Path | None, now: float = START_S) -> None:
        self.clock, self.store = StepClock(now), SampleStore()
        self.durable = Durable(folder, Limits(), self.store, self.clock)
        self.evaluation = Evaluation(self.store, self.durable.long.at)

    async def started(self, *texts: str) -> Life:
        """Ready for these expressions of rules."""
        await self.durable.start([parse(text) for text in texts])
        return self

    async def scraped(self, seconds: int, every_s: int, curve: Callable[[float], float]) -> None:
        """Time passes, with a scrape of `m_total` each *every_s*."""
        labels: tuple[LabelSet, ...] = (M,)
        for _ in range(0, seconds, every_s):
            self.clock.advance(every_s)
            now = self.clock.now()
            self.store.sheet(("a", "url")).append(now, labels, [curve(now - START_S)])
            self.durable.turn([self.evaluation], now)
            if self.durable._keeper is not None and now % 600 == 0:
                await self.durable._keeper.written(now)

    def rule(self, text: str) -> Value:
        """What a rule's expression yields now."""
        return self.durable.long.at(self.clock.now()).value(parse(text))

    def client(self) -> httpx.AsyncClient:
        """A client of the query API."""
        app = QueryApi(self.durable.past, self.clock, None).app  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://watch")


def only(value: Value) -> float:
    """The value of the only element."""
    assert not isinstance(value, float)
    ((_, number),) = value
    return number


async def test_a_rule_over_hours_sees_what_was_scraped_since_the_start() -> None:
    """Also where nothing is kept on disk; a counter that was reset twice loses nothing."""
    life = await Life(None).started("increase(m_total[2h])")
    await life.scraped(3 * 3600, 5, lambda passed: passed % 4000)
    # 5 s apart at 1 a second; each reset loses the 5 s before it.
    assert only(life.rule("increase(m_total[2h])")) == pytest.approx(7200, abs=15)


async def test_a_long_window_costs_a_round_nothing_until_a_part_of_it_has_passed() -> None:
    """In five minutes of rounds an hour is computed anew each 30 s, a short window each time."""
    text = "rate(m_total[1h]) > 0 and rate(m_total[1m]) > 0"
    life = await Life(None).started(text)
    await life.scraped(2 * 3600, 5, lambda passed: passed)
    before, remembered = life.durable.long.remembered.num_computed, life.durable.long.remembered
    for _ in range(300):
        await life.scraped(1, 1, lambda passed: passed)
        life.rule(text)
    assert remembered.num_computed - before == pytest.approx(10, abs=1)


async def test_what_rules_do_not_ask_for_is_not_in_memory() -> None:
    """Only raw samples are."""
    life = await Life(None).started("rate(other_total[1h])", "rate(m_total[14m])")
    await life.scraped(1200, 5, lambda passed: passed)
    assert life.durable.long.num_samples == 0


async def test_rules_that_ask_for_more_than_memory_has_room_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not see a part in silence."""
    monkeypatch.setattr(level_memory, "MAX_SAMPLES", 100)
    life = await Life(None).started('rate({__name__=~".+_total"}[1h])')
    two = (M, series("n_total", cluster="a"))
    for step in range(200):
        life.store.sheet("a").append(START_S + 10 * step, two, [1.0, 2.0])
        life.durable.turn([life.evaluation], START_S + 10 * step)
    life.clock.advance(2000)
    with pytest.raises(QueryError, match="need more than 1 series"):
        life.rule('rate({__name__=~".+_total"}[1h])')


@pytest.mark.parametrize("text", ["rate(m_total[1h])", "max_over_time(rate(m_total[5m])[3h:5m])", "m_total offset 2h"])
async def test_rules_go_on_from_disk_after_a_restart(tmp_path: Path, text: str) -> None:
    """With the values that they had."""
    life = await Life(tmp_path).started(text)
    await life.scraped(5 * 3600, 10, lambda passed: passed * passed / 1000)
    expected = only(life.rule(text))
    life.durable.close()
    again = await Life(tmp_path, life.clock.now()).started(text)
    assert only(again.rule(text)) == pytest.approx(expected, rel=1e-9)
    again.durable.close()


async def test_short_windows_go_on_after_a_restart(tmp_path: Path) -> None:
    """From the last minutes at 10 s."""
    life = await Life(tmp_path).started()
    await life.scraped(1200, 1, lambda passed: 3 * passed)
    life.durable.close()
    again = await Life(tmp_path, life.clock.now()).started()
    assert only(again.rule("rate(m_total[5m])")) == pytest.approx(3)
    await again.scraped(60, 1, lambda passed: 3 * passed)
    # Samples 10 s and 1 s apart in one window: where its begin falls between two, the stretching is off a little.
    assert only(again.rule("increase(m_total[10m])")) == pytest.approx(1800, rel=0.02)
    again.durable.close()


async def test_rules_that_are_new_are_filled_in_while_watch_runs(tmp_path: Path) -> None:
    """From disk, up to now."""
    life = await Life(tmp_path).started()
    await life.scraped(2 * 3600, 10, lambda passed: 2 * passed)
    life.durable.long.need([parse("rate(m_total[1h])")])
    await life.durable.long.fill()
    assert only(life.rule("rate(m_total[1h])")) == pytest.approx(2)
    await life.scraped(1800, 10, lambda passed: 2 * passed)
    assert only(life.rule("rate(m_total[1h])")) == pytest.approx(2)
    life.durable.close()


async def test_queries_see_days_at_the_resolution_that_is_left(tmp_path: Path) -> None:
    """The last 15 minutes as they were scraped, a day each 10 s, and before that each minute."""
    life = await Life(tmp_path).started()
    await life.scraped(28 * 3600, 10, lambda passed: 2 * passed)
    await life.scraped(900, 1, lambda passed: 2 * passed)
    async with life.client() as client:
        for text, expected in [
            ("count_over_time(m_total[10m])", 601),
            ("count_over_time(m_total[1h])", 360),
            ("count_over_time(m_total[26h])", 26 * 60),
            ("rate(m_total[26h])", 2),
            ("rate(m_total[5m] offset 25h)", 2),
        ]:
            answer = await client.get("/api/v1/query", params={"query": text})
            assert answer.status_code == 200, answer.text
            (found,) = answer.json()["data"]["result"]
            assert float(found["value"][1]) == pytest.approx(expected, rel=0.003), text
        span = {"start": str(START_S + 3600), "end": str(life.clock.now()), "step": "600"}
        answer = await client.get("/api/v1/query_range", params={"query": "rate(m_total[10m])", **span})
        (found,) = answer.json()["data"]["result"]
        assert len(found["values"]) == int((life.clock.now() - START_S - 3600) // 600) + 1
        assert [float(value) for _, value in found["values"]] == pytest.approx([2.0] * len(found["values"]), rel=0.02)
    life.durable.close()


async def test_a_history_that_cannot_be_read_is_an_error_of_the_query(tmp_path: Path) -> None:
    """Never an answer from a part; what memory has is answered all the same."""
    (tmp_path / "data").write_text("not a folder")
    life = await Life(tmp_path / "data").started()
    await life.scraped(60, 1, lambda passed: passed)
    async with life.client() as client:
        answer = await client.get("/api/v1/query", params={"query": "rate(m_total[1h])"})
        assert (answer.status_code, answer.json()["errorType"]) == (503, "unavailable")
        assert (await client.get("/api/v1/query", params={"query": "rate(m_total[30s])"})).status_code == 200
    life.durable.close()


def test_a_target_with_many_series_is_seen_whole_over_long_windows() -> None:
    """Memory holds what rules ask for up to one limit for all; no target's share of it is cut silently."""
    memory = level_memory.LevelMemory(FINE, frozenset({named("m_total")}), 3600.0)
    labels = [series("m_total", cluster="a", pod=str(pod)) for pod in range(10_001)]
    memory.append(key_text(("target", freeze({"cluster": "a"}))), block([START_S], {one: [1.0] for one in labels}))
    assert len(memory.instant(named("m_total"), START_S)) == 10_001


async def test_what_is_remembered_of_targets_that_are_gone_is_forgotten() -> None:
    """Targets come and go for months."""
    life = await Life(None).started("rate(m_total[1h])")
    for pod in range(3):
        await life.scraped(1200, 10, lambda passed: passed)
        life.store.retire(("a", "url"))
        life.clock.advance(7200 + pod)
        life.store.forget_older(life.clock.now())
        life.durable.turn([life.evaluation], life.clock.now())
        life.durable.long.forget_older(life.clock.now())
        life.durable.long.forget_older(life.clock.now())
        life.clock.advance(10)
        life.durable.turn([life.evaluation], life.clock.now())
    assert life.durable._harvest._taken_s == {}
    assert life.durable.long._minute == {}
    assert [memory.store.sheets() for memory in life.durable.long._levels.values()] == [[]]
    assert [memory._rows for memory in life.durable.long._levels.values()] == [{}]
