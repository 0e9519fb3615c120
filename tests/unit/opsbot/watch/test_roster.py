"""Targets come and go."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from opsbot.promql.evaluate import query
from opsbot.promql.labelset import freeze
from opsbot.promql.samples import SampleStore
from opsbot.source.health import SourceHealth
from opsbot.source.scrape import Scraper, Target
from opsbot.watch.roster import Roster
from tests.support.watching import Exposed, StepClock

A, B = Target("http://a:1/metrics", "a"), Target("http://b:1/metrics", "b", added={"region": "eu"})


class Given:
    """A list that a test sets."""

    kind, name = "targets_file", "given"

    def __init__(self, *targets: Target) -> None:
        self.health = SourceHealth()
        self.targets: Sequence[Target] = targets

    async def refresh(self) -> None:
        """It is as it is."""


class Bench:
    """A roster with a real store, over targets in this process."""

    def __init__(self, given: Given, *fixed: Target) -> None:
        self.clock, self.store = StepClock(), SampleStore()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(Exposed({"m": 1.0}).app))
        self.roster = Roster(fixed, [given], self.make)

    def make(self, target: Target) -> Scraper:
        """A scraper of it."""
        return Scraper(target, self.store, self.clock, self.http)

    async def scrape(self) -> None:
        """A second later."""
        self.clock.advance(1.0)
        for scraper in self.roster.scrapers:
            await scraper.scrape()

    def clusters(self, text: str) -> list[str]:
        """Those that a query finds."""
        found = query(text, self.store, self.clock.now())
        assert isinstance(found, list)
        return sorted(element.labels["cluster"] for element in found)


async def test_a_target_that_leaves_its_list_goes_stale() -> None:
    """At once, `up` too; the others keep their scrapers, and it may come back."""
    given = Given(A, B)
    bench = Bench(given)
    await bench.scrape()
    assert (bench.clusters("m"), bench.clusters("up")) == (["a", "b"], ["a", "b"])
    kept = bench.roster.scrapers[0]
    given.targets = [A]
    bench.clock.advance(0.1)
    await bench.roster.refresh()
    assert bench.roster.scrapers == [kept]
    assert (bench.clusters("m"), bench.clusters("up")) == (["a"], ["a"])
    given.targets = [A, B]
    await bench.roster.refresh()
    await bench.scrape()
    assert bench.clusters('m{region="eu"}') == ["b"]


async def test_an_answer_that_comes_after_the_end_is_not_taken() -> None:
    """A scrape may be under way when its target leaves."""
    given = Given(A)
    bench = Bench(given)
    (scraper,) = bench.roster.scrapers
    given.targets = []
    await bench.roster.refresh()
    bench.clock.advance(1.0)
    await scraper.scrape()
    assert bench.clusters("up") == []


async def test_what_is_gone_for_long_costs_nothing() -> None:
    """Not its series, and not its sheet; the address may have changed under the same labels."""
    given = Given(A)
    bench = Bench(given)
    for number in range(50):
        given.targets = [Target(f"http://h{number}:1/metrics", f"c{number}")]
        await bench.roster.refresh()
        await bench.scrape()
    bench.clock.advance(1000.0)
    await bench.scrape()
    bench.store.forget_older(bench.clock.now())
    assert bench.store.num_series == 2
    assert len(bench.store._sheets) == 1


async def test_the_same_labels_at_another_address_go_on() -> None:
    """A target that moved keeps its series."""
    given = Given(Target("http://a:1/metrics", "a", added={"instance": "one"}))
    bench = Bench(given)
    await bench.scrape()
    given.targets = [Target("http://a:2/metrics", "a", added={"instance": "one"})]
    bench.clock.advance(0.1)
    await bench.roster.refresh()
    await bench.scrape()
    assert bench.clusters("count_over_time(m[1m]) == 2") == ["a"]


def test_two_targets_with_the_same_labels_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """One is scraped; the same target in two lists is one."""
    twin = Target("http://a:1/other", "a")
    bench = Bench(Given(A, twin), A)
    bench.roster.update()
    assert [scraper.target for scraper in bench.roster.scrapers] == [A]
    assert caplog.text.count("http://a:1/other is not scraped: http://a:1/metrics has the same labels") == 1


async def test_what_was_about_a_target_that_is_gone() -> None:
    """By instance, or by cluster once the cluster has no target left; not any more when it is back."""
    second = Target("http://a:2/metrics", "a")
    given = Given(A, second, B)
    roster = Bench(given).roster
    one, cluster = {"cluster": "a", "instance": "a:1", "model": "m"}, {"cluster": "a"}
    assert not roster.departed.was_about(one)
    given.targets = [second, B]
    roster.update()
    assert roster.departed.was_about(one)
    assert not roster.departed.was_about(cluster)
    assert not roster.departed.was_about({"cluster": "never", "instance": "a:1"})
    assert not roster.departed.was_about({"instance": "a:1"})
    given.targets = [B]
    roster.update()
    assert roster.departed.was_about(cluster)
    given.targets = [A, B]
    roster.update()
    assert not roster.departed.was_about(one)
    assert not roster.departed.was_about(cluster)


async def test_targets_from_before_a_restart_are_gone_once_all_lists_were_read() -> None:
    """A list that cannot be read may still have them."""
    given = Given(A)
    bench = Bench(given)
    labels = dict(B.labels)
    given.health.failed("it is away", 1.0)
    bench.roster.take_up([freeze(A.labels), freeze(labels)])
    assert not bench.roster.departed.was_about(labels)
    given.health.worked()
    given.health.num_asked = 1
    bench.roster.update()
    assert bench.roster.departed.was_about(labels)
    assert not bench.roster.departed.was_about(A.labels)
