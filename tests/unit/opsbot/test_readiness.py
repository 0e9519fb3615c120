"""When a role is ready: what stands in the way is said, a store that hangs is one that cannot be written."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from opsbot.core_readiness import CoreReadiness
from opsbot.readiness import Readiness, WriteProbe
from opsbot.source.scrape import Target
from opsbot.watch.watcher import Watcher, WatchSettings
from opsbot.web.health import health_routes
from tests.support.ports import free_port
from tests.support.watching import TOKEN, Door, Exposed, StepClock, rule_text, served, write_rules


class Parts:
    """Core's parts as a test sets them."""

    def __init__(self) -> None:
        self.is_executing = False
        self.is_connected = False
        self.slack_problem: str | None = None
        self.num_bad = 0
        self.store = WriteProbe(lambda: None, "core's database")

    def ready(self) -> CoreReadiness:
        """Asks them."""
        return CoreReadiness(
            self.store,
            lambda: self.is_executing,
            lambda: self.is_connected,
            lambda: self.slack_problem,
            lambda: self.num_bad,
        )


async def test_core_waits_for_its_parts() -> None:
    """Not ready before the executor runs and Slack is connected; then ready without a word."""
    parts = Parts()
    ready = parts.ready()
    assert len((await ready()).reasons) == 2
    parts.is_executing = True
    assert (await ready()).reasons == ("the connection to Slack is still being made",)
    parts.is_connected = True
    assert await ready() == Readiness()


async def test_slack_being_away_is_a_warning() -> None:
    """A failure that can be told, and a connection that was there once, leave core ready."""
    parts = Parts()
    parts.is_executing = True
    parts.slack_problem = "Slack does not answer"
    ready = parts.ready()
    assert await ready() == Readiness((), ("not connected to Slack: Slack does not answer",))
    parts.slack_problem = None
    assert (await ready()).is_ready


async def test_a_broken_store_is_a_reason() -> None:
    """The first line of what the driver said."""

    def write() -> None:
        raise OSError("disk full\nand more")

    parts = Parts()
    parts.store = WriteProbe(write, "core's database")
    assert (await parts.ready()()).reasons[0] == "core's database cannot be written: disk full"


async def test_a_store_that_hangs_is_asked_once() -> None:
    """However many ask, one write waits; each of them is answered in time."""
    let_go, asked = threading.Event(), []

    def write() -> None:
        asked.append(1)
        let_go.wait(10)

    probe = WriteProbe(write, "the store", limit_s=0.05)
    found = await asyncio.gather(*(probe.problem() for _ in range(20)))
    again = await probe.problem()
    let_go.set()
    assert {*found, again} == {"the store has not taken a write for 0.05 s: is its disk full, or another at it?"}
    assert len(asked) == 1


@pytest.mark.parametrize(("reasons", "status"), [((), 200), (("no rule",), 503)])
async def test_the_answer_is_json(reasons: tuple[str, ...], status: int) -> None:
    """503 with the reasons, or 200; alive in either case."""

    async def ready() -> Readiness:
        return Readiness(reasons, ("core is away",))

    app = Starlette(routes=health_routes("watch", ready, lambda: {"slack": "fine"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://r") as http:
        answer = await http.get("/readyz")
        assert (await http.get("/healthz")).json() == {"status": "ok", "slack": "fine"}
    assert answer.status_code == status
    assert answer.json() == {
        "status": "ready" if status == 200 else "not_ready",
        "role": "watch",
        "reasons": list(reasons),
        "warnings": ["core is away"],
    }


async def test_watch_is_ready_once_rules_were_evaluated(tmp_path: Path) -> None:
    """Not before, not when rounds have stopped; a core that is away is a warning until it answers."""
    clock, port = StepClock(), free_port()
    rules = write_rules(tmp_path / "rules.yaml", rule_text())
    async with httpx.AsyncClient(trust_env=False) as http:
        watcher = Watcher(WatchSettings([], [rules], f"http://127.0.0.1:{port}", TOKEN), clock, http)
        assert (await watcher.readiness()).reasons == ("no round of rules was evaluated yet",)
        watcher.evaluate()
        assert not await watcher.tell()
        found = await watcher.readiness()
        assert found.is_ready
        assert "did not say what fires" in found.warnings[0]
        async with served(Door().app, port):
            assert await watcher.tell()
        assert (await watcher.readiness()) == Readiness()
        clock.advance(6)
        assert (await watcher.readiness()).reasons == ("the last round of rules was evaluated 6 s ago",)


async def test_watch_without_a_rule_is_not_ready(tmp_path: Path) -> None:
    """A file that cannot be read leaves nothing to watch by; targets that are silent are only named."""
    clock = StepClock()
    (tmp_path / "rules.yaml").write_text("groups: [")
    targets = [Target(f"http://127.0.0.1:{free_port()}/metrics", "a")]
    async with served(Exposed().app), httpx.AsyncClient(trust_env=False) as http:
        watcher = Watcher(WatchSettings(targets, [tmp_path], "http://127.0.0.1:9", TOKEN), clock, http)
        for scraper in watcher._scrapers:
            await scraper.scrape()
        watcher.evaluate()
        found = await watcher.readiness()
    assert "no rule is in force" in found.reasons[0]
    assert found.warnings == (f"no metrics from {targets[0].instance}",)
