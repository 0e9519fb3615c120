"""The story of the fleet's demo: a launch day over 24 clusters outgrows them, and people move what can be moved.

Each check is ticked off only by what a public interface showed; nothing is taken from inside the processes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from opsbot.demo.display import Check, Display
from opsbot.demo.fleet_stage import POLL_S, FleetStage, Json
from opsbot.demo.show import StoryBroken, show

DAY_S = 150.0
"""The launch day; the launch is announced after a tenth of it, and the fleet is outgrown at about half."""
VIRTUAL_S = 120.0
START_LIMIT_S = 60.0
LAUNCH_LIMIT_S = 60.0
FULL_LIMIT_S = 120.0
STEP_LIMIT_S = 30.0
HISTORY_S = 95.0
"""How long watch must have seen the fleet before a trend is asked for: the first minute makes none."""
QUIET_RATE_UNTIL_S = 10.0
RISES_TO = 2.0
KV_IS_FULL, BATCH_IS_NOT = 0.95, 0.75
WINDOW, HORIZON = "3m", "3m"

CHECKS = (
    ("up", "24 clusters in six regions serve from one process"),
    ("real", "A real request goes home through the router"),
    ("launch", "The launch: requests a second double"),
    ("drained", "Clusters are drained through their control APIs"),
    ("limit", "One too many is refused, with what to bring back first"),
    ("routed", "A route lease moves traffic out of a region"),
    ("lost", "A region is lost, and its countries are served elsewhere"),
    ("liar", "A cluster whose metrics are frozen is not believed"),
    ("back", "Everything that was taken out is taken back"),
    ("spill", "Home clusters are full: requests spill over"),
    ("kv", "The KV cache is the bottleneck, while the batch looks half empty"),
    ("capacity", "opsbot capacity: what each cluster carries and what bounds it"),
    ("trend", "The trend says when clusters meet their capacity"),
    ("charts", "Charts of every cluster, and of the fleet with the launch pinned on it"),
    ("virtual", "The same day in virtual time, in less than it takes"),
)


@dataclass(frozen=True, slots=True)
class FleetDemoOptions:
    """How the demo runs.

    Args:
        is_kept: leave everything running at the end until Ctrl-C.
        port: of the fleet.
        seed: of the load.
    """

    is_kept: bool
    port: int
    seed: int


class FleetStory:
    """One run of the demo; `tables` has what is printed when it is over."""

    def __init__(self, stage: FleetStage, display: Display) -> None:
        self._stage = stage
        self._display = display
        self._watched_from = 0.0
        self.tables: list[str] = []

    async def tell(self) -> None:
        """Run the whole story.

        Raises: StoryBroken, NotStarted, ProcessDied, CommandFailed.
        """
        self._display.say("Starting a fleet of 24 clusters")
        await self._stage.start_fleet(START_LIMIT_S)
        await self._stage.start_watch()
        self._watched_from = time.monotonic()
        await self._look_around()
        await self._until_launched()
        await self._drain()
        await self._route()
        await self._lose()
        await self._freeze()
        await self._until_full()
        await self._until_known()
        await self._ask_capacity()
        self._display.say("The same day in virtual time")
        began = time.monotonic()
        self.tables.append(await self._stage.virtual_day(VIRTUAL_S))
        took_s = time.monotonic() - began
        if took_s < VIRTUAL_S:
            self._display.saw("virtual", f"{VIRTUAL_S:.0f} s of 24 clusters in {took_s:.0f} s")

    # -- the parts of the story

    async def _look_around(self) -> None:
        clusters = await self._stage.clusters()
        named = [name for name in clusters if await self._stage.has_metrics(name)]
        regions = {one["region"] for one in clusters.values()}
        if len(named) == 24 and len(regions) == 6:
            models = sorted({one["model"] for one in clusters.values()})
            self._display.saw("up", f"each with vLLM's metrics; models {' and '.join(models)}")
        answer = (await self._stage.ask("JP", clusters["jpe-1"]["model"])).raise_for_status()
        chosen = answer.headers["serving-cluster"]
        if "JP" in clusters[chosen]["countries"]:
            self._display.saw("real", f"asked from Japan, answered by {chosen}")

    async def _until_launched(self) -> None:
        self._display.say("A quiet morning, to know what normal is")
        before = await self._num_routed()
        await asyncio.sleep(QUIET_RATE_UNTIL_S)
        quiet = (await self._num_routed() - before) / QUIET_RATE_UNTIL_S
        self._display.say("The launch is announced")
        await self._stage.capacity("mark", "the launch is announced")
        last = (time.monotonic(), await self._num_routed())

        async def seen() -> bool:
            nonlocal last
            now = (time.monotonic(), await self._num_routed())
            if now[0] - last[0] < 4:
                return False
            rate = (now[1] - last[1]) / (now[0] - last[0])
            last = now
            if rate > RISES_TO * quiet > 0:
                self._display.saw("launch", f"{quiet:.0f} → {rate:.0f} requests/s")
            return self._display.has_seen("launch")

        await self._until("twice the requests", LAUNCH_LIMIT_S, seen)

    async def _drain(self) -> None:
        self._display.say("Draining clusters, until the limits say no")
        drained: list[str] = []
        for name in ("euw-1", "euw-2", "jpe-1", "jpe-2", "use-1", "use-2", "usw-1", "usw-2"):
            answer = await self._stage.lease("drain", cluster=name)
            if answer.is_success:
                drained.append(name)
                continue
            error = answer.json()["error"]
            if error["code"] == "outage_limit_exceeded":
                self._display.saw("limit", error["message"])
                break
        out = await self._out()
        if drained and all(out.get(name) == "drained" for name in drained):
            self._display.saw("drained", ", ".join(drained))
        for name in drained:
            await self._stage.readmit(name)
        if await self._out():
            raise StoryBroken(f"readmitted clusters are still out: {await self._out()}")

    async def _route(self) -> None:
        self._display.say("Moving traffic out of us-west by a lease of route")
        before = await self._share_of("us-west", 6.0)
        granted = await self._stage.lease("route", {"where": "us-west", "factor": 0.1})
        granted.raise_for_status()

        async def seen() -> bool:
            after = await self._share_of("us-west", 6.0)
            if after < before:
                self._display.saw("routed", f"us-west's weights × 0.1: {before:.0%} → {after:.0%} of the requests")
            return self._display.has_seen("routed")

        await self._until("less traffic in us-west", STEP_LIMIT_S, seen)
        await self._stage.release(granted)

    async def _lose(self) -> None:
        self._display.say("jp-east is lost")
        granted = (await self._stage.lease("fault.lose", {"where": "jp-east"})).raise_for_status()
        await self._stage.capacity("mark", "jp-east is lost")

        async def seen() -> bool:
            clusters = await self._stage.clusters()
            out = [name for name, one in clusters.items() if one["out"] == "lost"]
            answer = await self._stage.ask("JP", clusters["jpe-1"]["model"])
            if len(out) == 4 and answer.is_success:
                chosen = answer.headers["serving-cluster"]
                self._display.saw("lost", f"{', '.join(out)} gone; a request from Japan is answered by {chosen}")
            return self._display.has_seen("lost")

        await self._until("an answer from elsewhere", STEP_LIMIT_S, seen)
        await self._stage.release(granted)

    async def _freeze(self) -> None:
        self._display.say("The metrics of usw-3 freeze: it looks as it did, and is not")
        granted = (await self._stage.lease("fault.metrics_frozen", 1, cluster="usw-3")).raise_for_status()
        slow = (await self._stage.lease("fault.slow_step_ms", 400, cluster="usw-3")).raise_for_status()

        async def seen() -> bool:
            liar = (await self._stage.clusters())["usw-3"]
            if liar["trust"] == "contradicted":
                self._display.saw("liar", f"usw-3 shows {liar['running']} requests, the router counts more of its own")
            return self._display.has_seen("liar")

        await self._until("a contradicted view", STEP_LIMIT_S * 2, seen)
        await self._stage.release(granted, cluster="usw-3")
        await self._stage.release(slow, cluster="usw-3")
        if not await self._out():
            self._display.saw("back", "no cluster is out, no lease is left")

    async def _until_full(self) -> None:
        self._display.say("More arrives than the fleet can serve")

        async def seen() -> bool:
            ways = await self._stage.sums("way", name="serving_fleet_routed_total")
            spilled = ways.get(("spill",), 0.0) + ways.get(("full",), 0.0)
            if spilled > 100:
                self._display.saw("spill", f"{spilled:.0f} of {sum(ways.values()):.0f} requests went to other clusters")
            for name, one in (await self._stage.clusters()).items():
                batch = one["running"] / one["batch_limit"]
                if one["kv_usage"] >= KV_IS_FULL and batch <= BATCH_IS_NOT and one["waiting"]:
                    told = f"{name}: KV cache {one['kv_usage']:.0%}, batch {batch:.0%}, {one['waiting']} waiting"
                    self._display.saw("kv", told)
            return self._display.has_seen("spill") and self._display.has_seen("kv")

        await self._until("full clusters", FULL_LIMIT_S, seen)

    async def _until_known(self) -> None:
        left_s = self._watched_from + HISTORY_S - time.monotonic()
        if left_s > 0:
            self._display.say("Watch gathers what a trend needs")
            await asyncio.sleep(left_s)

    async def _ask_capacity(self) -> None:
        self._display.say("Asking what each cluster carries, and where that goes")
        look = ("--window", WINDOW, "--horizon", HORIZON)
        found = json.loads(await self._stage.capacity(*look, "--json", "--charts", str(self._stage.charts)))
        clusters: list[Json] = found["clusters"]
        bounds = [one["bound"] for one in clusters if one["bound"]]
        if len(clusters) == len(bounds) == 24:
            by_bound = ", ".join(f"{bounds.count(bound)} by {bound}" for bound in dict.fromkeys(bounds))
            total = sum(one["tokens_per_min"] or 0 for one in clusters)
            self._display.saw("capacity", f"{total / 1e6:.1f}M tok/min in all; bound: {by_bound}")
        meeting = [one for one in clusters if one["meets"]["likely"] or (one["used_ratio"] or 0) >= KV_IS_FULL]
        if meeting:
            self._display.saw(
                "trend", f"{len(meeting)} of 24, such as {meeting[0]['cluster']}: {meeting[0]['sentence']}"
            )
        pictures = [path for path in map(Path, found["charts"]) if path.read_bytes().startswith(b"\x89PNG")]
        if len(pictures) == 25:
            self._display.saw("charts", str(self._stage.charts / "fleet.png"))
        self.tables.append(await self._stage.capacity(*look, "--no-record"))

    # -- looking

    async def _num_routed(self) -> float:
        return sum((await self._stage.sums("way", name="serving_fleet_routed_total")).values())

    async def _share_of(self, region: str, seconds: float) -> float:
        """The share of requests that go to *region* over so many seconds."""
        regions = {name: one["region"] for name, one in (await self._stage.clusters()).items()}
        before = await self._stage.sums("cluster", name="serving_fleet_routed_total")
        await asyncio.sleep(seconds)
        after = await self._stage.sums("cluster", name="serving_fleet_routed_total")
        came = {name: after[name,] - before.get((name,), 0.0) for (name,) in after}
        there = sum(number for name, number in came.items() if regions[name] == region)
        return there / max(1.0, sum(came.values()))

    async def _out(self) -> dict[str, str]:
        return {name: one["out"] for name, one in (await self._stage.clusters()).items() if one["out"]}

    async def _until(self, what: str, limit_s: float, seen: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self._stage.require_alive()
            if await seen():
                return
            await asyncio.sleep(POLL_S)
        raise StoryBroken(f"waited {limit_s:.0f} s for {what}")


async def run_fleet_demo(options: FleetDemoOptions) -> int:
    """Run the demo; the exit status is 0 only if every check was seen."""
    folder = Path(".demo") / time.strftime("fleet-%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    display = Display([Check(key, title) for key, title in CHECKS])
    stage = FleetStage(folder, options.port, DAY_S, options.seed)
    story = FleetStory(stage, display)
    return await show(
        display,
        f"{stage.url}/",
        str(folder / "logs"),
        story.tell,
        stage.close,
        is_kept=options.is_kept,
        tables=story.tables,
    )
