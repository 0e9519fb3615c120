"""The rules on one server whose answers a test sets: what is asked, and what no answer does to an alert."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.alert.alert import Alert, AlertState
from opsbot.promql.labelset import LabelSet
from opsbot.promql.vector import Element
from opsbot.rule.book import RuleBook
from opsbot.source.servers import PrometheusServer, ServerAddress
from opsbot.watch.question import is_about_the_bot, question, reading_of_whole, recorded_series
from opsbot.watch.remote import GIVE_UP_AFTER, PROBE, Division, RemoteRules, ServerRules
from tests.support.rule_packs import book as shipped
from tests.support.watching import StepClock, rule_text, write_rules

BUSY = rule_text(clear_expr="m < 3", for_="10s")


class Bench:
    """A server that holds one value of `m`, or answers as a test wants."""

    def __init__(self, folder: Path, *rules: str, **labels: str) -> None:
        self.clock, self.value, self.status = StepClock(), 1.0, 200
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.told: list[tuple[str, str, bool]] = []
        self.alerts: list[Alert] = []
        self.book = RuleBook([write_rules(folder / "r.yaml", *(rules or [BUSY]))], self._refuse)
        self.book.reload()
        self.division = Division(self.book)
        self.division.look()
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=[Route("/api/v1/query", self._answer, methods=["POST"])]))
        )
        server = PrometheusServer(ServerAddress("http://p", "eu", labels or {"region": "eu"}), http)
        self.rules = ServerRules(server, self.division, self.clock, self._offer)

    async def round(self, passed: float = 5.0) -> list[tuple[str, str, bool]]:
        """Some seconds later, one round; answers what was told in it."""
        self.clock.advance(passed)
        self.told.clear()
        self.asked.clear()
        await self.rules.round(lambda: True)
        return list(self.told)

    async def _answer(self, request: Request) -> Response:
        (query,) = parse_qs((await request.body()).decode())["query"]
        self.asked.append(query)
        if self.status != 200 or any(name in query for name in self.silent):
            return Response("no", 503)
        found = [part for part, holds in self._parts(query) if holds]
        vector = [{"metric": {"instance": "i"} | part, "value": [1, str(self.value)]} for part in found]
        return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": vector}})

    def _parts(self, query: str) -> list[tuple[dict[str, str], bool]]:
        if "opsbot_part" not in query:
            return [({}, self.value > 5)]
        names = {"expr": self.value > 5, "answerable": True, "clear": self.value < 3, "clear_answerable": True}
        return [({"opsbot_part": name}, holds) for name, holds in names.items()]

    def _offer(self, alerts: Sequence[Alert], now: float) -> None:
        self.alerts += alerts
        self.told += [(a.name, a.state.value, a.annotations.get("opsbot_blind") == "true") for a in alerts]

    def _refuse(self, problem: object) -> None:
        raise AssertionError(problem)


async def test_what_is_quiet_is_asked_little(tmp_path: Path) -> None:
    """Only `expr`, until an alert is active; then all that its end depends on, in one query."""
    bench = Bench(tmp_path)
    assert await bench.round() == []
    assert bench.asked == ["(m) > (5.0)"]
    bench.value = 9.0
    assert await bench.round() == []
    assert await bench.round(10.0) == [("Busy", "firing", False)]
    assert len(bench.asked) == 1
    assert "opsbot_part" in bench.asked[0]
    assert bench.alerts[-1].labels == {"alertname": "Busy", "severity": "high", "region": "eu", "instance": "i"}
    bench.value = 1.0
    assert await bench.round() == [("Busy", "resolved", False)]


async def test_no_answer_holds_and_says_so_and_asks_little(tmp_path: Path) -> None:
    """Whatever `no_data` says; from the second round on one small query finds out whether it is back."""
    bench = Bench(tmp_path, rule_text(no_data="resolve"))
    bench.value = 9.0
    assert await bench.round() == [("Busy", "firing", False)]
    bench.status = 503
    assert await bench.round() == [("Busy", "firing", True)]
    assert await bench.round() == [("Busy", "firing", True)]
    assert bench.asked == [PROBE]
    assert bench.rules.health.failing_since == bench.clock.now() - 5.0
    assert bench.rules.evaluation.errors == {}
    bench.status, bench.value = 200, 1.0
    assert await bench.round() == [("Busy", "resolved", False)]
    assert bench.rules.health.failing_since is None


async def test_a_pending_alert_does_not_outlive_a_long_silence(tmp_path: Path) -> None:
    """What began before it has not held all the time, as far as anybody knows."""
    bench = Bench(tmp_path)
    bench.value = 9.0
    await bench.round()
    bench.status = 503
    await bench.round(400.0)
    bench.status = 200
    assert await bench.round() == []
    assert await bench.round(10.0) == [("Busy", "firing", False)]


async def test_one_slow_rule_is_the_rules_fault(tmp_path: Path) -> None:
    """The others are evaluated, the server counts as well, and the rule is named."""
    names = [f"r{number}" for number in range(10)]
    bench = Bench(tmp_path, *(rule_text(name, expr=f"{name} > 5") for name in names))
    bench.value, bench.silent = 9.0, {"r3"}
    told = await bench.round()
    assert sorted(name for name, _, _ in told) == [name for name in names if name != "r3"]
    assert bench.rules.evaluation.errors == {
        "r3": "eu: 503 and a body that is not Prometheus's; is http://p its base URL?"
    }
    assert bench.rules.health.failing_since is None
    assert bench.rules.health.last_error.startswith("rule r3: 503")


async def test_a_round_of_silence_is_given_up(tmp_path: Path) -> None:
    """Not every rule waits for its own time-out."""
    bench = Bench(tmp_path, *(rule_text(f"r{number}", expr=f"r{number} > 5") for number in range(40)))
    bench.status = 503
    await bench.round()
    assert len(bench.asked) < 2 * GIVE_UP_AFTER
    assert bench.rules.health.failing_since is not None


async def test_an_own_label_of_the_same_name_is_kept(tmp_path: Path) -> None:
    """As a scraper keeps it."""
    bench = Bench(tmp_path, rule_text(), instance="mine")
    bench.value = 9.0
    await bench.round()
    assert bench.alerts[-1].labels == {
        "alertname": "Busy", "severity": "high", "instance": "mine", "exported_instance": "i",
    }  # fmt: skip


def test_the_parts_of_an_answer_are_told_apart() -> None:
    """By the label, which is gone then."""
    elements = [
        Element(LabelSet.of({"__name__": "m", "a": "b", "opsbot_part": part}), 1.0)
        for part in ("expr", "answerable", "clear_answerable")
    ]
    reading = reading_of_whole(elements, {"region": "eu"})
    own = LabelSet.of({"a": "b", "region": "eu"})
    assert reading.expr == [Element(LabelSet.of({"__name__": "m", "a": "b", "region": "eu"}), 1.0)]
    assert reading.clear == []
    assert reading.answerable == reading.clear_answerable == frozenset({own})


def test_rules_about_the_bot_stay_here() -> None:
    """Those of the shipped ones that ask for nothing else."""
    rules = shipped()
    recorded = recorded_series(rules.recordings)
    own = {rule.name for rule in rules.rules if is_about_the_bot(rule, recorded)}
    assert own == {rule.name for rule in rules.rules if rule.origin.endswith("bot.yaml")}


def test_every_shipped_rule_can_be_asked() -> None:
    """None is too long for a server once its recorded series are written out."""
    found = shipped()
    for rule in found.rules:
        asked = question(rule, recorded_series(found.recordings), 5.0)
        assert "serving:" not in asked.whole
        assert len(asked.whole) < 20_000


@pytest.mark.parametrize(
    ("labels", "owner"), [({"region": "eu"}, 0), ({"region": "eu", "zone": "a"}, 1), ({"region": "us"}, None)]
)
def test_what_core_holds_goes_to_the_server_it_is_from(
    labels: dict[str, str], owner: int | None, tmp_path: Path
) -> None:
    """The one with the most of its labels; what no server has is left to be ended."""
    bench = Bench(tmp_path)
    addresses = [
        ServerAddress("http://p", "a", {"region": "eu"}),
        ServerAddress("http://q", "b", {"region": "eu", "zone": "a"}),
    ]
    http = httpx.AsyncClient()
    remote = RemoteRules(
        [PrometheusServer(one, http) for one in addresses], bench.division, bench.clock, lambda alerts, now: None
    )
    held = Alert({**labels, "alertname": "Busy", "severity": "high"}, {"opsbot_rule": "r"}, AlertState.FIRING, 5.0)
    rest = remote.restore([], [held], 10.0)
    assert [len(server.evaluation.active("Busy")) for server in remote.servers] == [int(owner == n) for n in range(2)]
    assert rest == ([] if owner is not None else [held])


async def test_a_pending_alert_on_a_server_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Its timers are kept like those over own samples, and come back to the server whose labels they have."""
    before = Bench(tmp_path)
    before.value = 9.0
    await before.round()
    await before.round(4.0)
    holds, seen_at = list(before.rules.evaluation.holds()), before.clock.now()
    assert [hold.is_true for hold in holds] == [True]
    after = Bench(tmp_path)
    after.clock.wall, after.value = seen_at, 9.0
    both = RemoteRules([], after.division, after.clock, after._offer)
    both.servers = [Bench(tmp_path, **{"region": "us"}).rules, after.rules]
    assert both.resume([], holds, seen_at) == []
    assert both.resume(after.division.rules, holds, seen_at) == holds
    assert both.resume([], holds, seen_at) == []
    assert await after.round(5.0) == []
    assert await after.round(1.0) == [("Busy", "firing", False)]
