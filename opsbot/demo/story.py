"""The story of the demo: a launch spike drowns a real model, the bot helps, and everything is put back.

Each check is ticked off only by what a public interface showed; nothing is taken from inside the processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from opsbot.demo.display import Check, Display
from opsbot.demo.observe import ServerNumbers
from opsbot.demo.show import StoryBroken, show
from opsbot.demo.stage import Stage

SPIKE_RATE = 4.0
STEADY_RATE = 0.4
TTFT_RISES_TO = 5.0
"""Times its mean in normal traffic."""
ALERT = "KVCachePressure"
CHANNEL = "incidents"

BASELINE_S = 8.0
START_LIMIT_S = 90.0
PRESSURE_LIMIT_S = 75.0
APPROVAL_PATIENCE_S = 60.0
RELIEF_LIMIT_S = 90.0
DRAIN_LIMIT_S = 400.0
DRAIN_PATIENCE_S = 60.0
"""Without the queue getting shorter than it ever was since the spike ended."""
RECOVERY_LIMIT_S = 120.0
QUIET_S = 4.0
POLL_S = 0.5

CHECKS = (
    ("model", "A real language model answers"),
    ("pressure", "KV cache pressure: sequences are preempted and recomputed"),
    ("ttft", "Time to first token rises"),
    ("incident", "The bot opens an incident by itself"),
    ("message", "The incident stands in Slack"),
    ("approved", "A responder presses Approve"),
    ("batch", "The batch limit is smaller, as a lease"),
    ("verified", "The runbook proves by metric that it helped"),
    ("relief", "Preemptions stopped while the load goes on"),
    ("resolved", "The incident resolves when the queue is gone"),
    ("released", "The lease is released, the batch limit is back"),
    ("one_message", "One Slack message throughout, edited in place"),
)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo runs.

    Args:
        is_headless: nobody watches; approve without waiting for a person.
        port: of the page.
        seed: of the traffic.
        is_kept: leave everything running at the end until Ctrl-C.
    """

    is_headless: bool
    port: int
    seed: int
    is_kept: bool


class Story:
    """One run of the demo."""

    def __init__(self, options: DemoOptions, stage: Stage, display: Display) -> None:
        self._options = options
        self._stage = stage
        self._observer = stage.observer
        self._display = display
        self._baseline_ttft_s = 0.0
        self._spike_start: ServerNumbers | None = None

    async def tell(self) -> None:
        """Run the whole story.

        Raises: StoryBroken, NotStarted, ProcessDied.
        """
        self._display.say("Starting the model server, the Slack workspace and the bot")
        await self._stage.start(START_LIMIT_S)
        await self._show_the_model()
        steady = await self._stage.start_traffic("steady", STEADY_RATE, self._options.seed)
        await self._measure_baseline()
        spike = await self._stage.start_traffic("launch_spike", SPIKE_RATE, self._options.seed + 1)
        await self._until_pressure_and_incident()
        await self._until_approved()
        await self._until_relieved()
        self._display.say("The spike ends; the queue drains")
        await self._stage.processes.stop(spike)
        await self._until_recovered()
        await self._stage.processes.stop(steady)
        self._display.say("Everything is as it was before")

    # -- the parts of the story

    async def _show_the_model(self) -> None:
        self._display.say("Asking the model a question")
        answer = await self._observer.ask_model("What is the airspeed of an unladen swallow?")
        if answer:
            self._display.saw("model", "“" + " ".join(answer.split()[:9]) + " …”")

    async def _measure_baseline(self) -> None:
        self._display.say("Normal traffic, to know what normal is")
        before = await self._observer.numbers()
        until = time.monotonic() + BASELINE_S
        while time.monotonic() < until:
            self._stage.require_alive()
            await self._look()
            await asyncio.sleep(POLL_S)
        self._baseline_ttft_s = _mean_ttft_s(before, await self._look()) or 0.1

    async def _until_pressure_and_incident(self) -> None:
        self._display.say("A launch spike arrives: more users than the KV cache can carry")
        start = self._spike_start = await self._observer.numbers()

        async def seen() -> bool:
            now = await self._look()
            if now.preemptions > start.preemptions:
                preempted = now.preemptions - start.preemptions
                self._display.saw("pressure", f"{preempted:.0f} preempted, KV cache {now.kv_usage:.0%} full")
            await self._look_for_incident()
            return all(self._display.has_seen(key) for key in ("pressure", "incident", "message"))

        await self._until("pressure, an incident and its Slack message", PRESSURE_LIMIT_S, seen)

    async def _look_for_incident(self) -> None:
        view = await self._view()
        if view is None:
            return
        incident = view["incident"]
        self._display.saw("incident", f"{incident['incident_id']} {incident['title']} ({incident['severity']})")
        messages = await self._messages(incident["incident_id"])
        if messages:
            self._display.saw("message", f"in #{CHANNEL}, with what the bot wants to do about it")

    async def _until_approved(self) -> None:
        waited_from = time.monotonic()

        async def seen() -> bool:
            await self._look()
            view = await self._view()
            if view is None:
                return False
            granted = next((entry for entry in view["timeline"] if entry["kind"] == "approval.granted"), None)
            if granted is not None:
                self._display.saw("approved", f"{granted['actor']}: {granted['text']}")
                return True
            if not any(run["approvals"] for run in view["runs"]):
                return False
            left_s = 0 if self._options.is_headless else APPROVAL_PATIENCE_S - (time.monotonic() - waited_from)
            if left_s > 0:
                self._display.say(f"Your turn: press Approve on the page (in {left_s:.0f} s the demo does)")
                return False
            self._display.say("Pressing Approve on the page")
            await self._stage.visitor.press(CHANNEL, "Approve")
            return False

        await self._until("somebody's approval", APPROVAL_PATIENCE_S + 30.0, seen)

    async def _until_relieved(self) -> None:
        self._display.say("The bot makes the batch smaller and watches whether it helps")
        quiet_since: tuple[float, float] | None = None

        async def seen() -> bool:
            nonlocal quiet_since
            now = await self._look()
            knob = await self._observer.batch_knob()
            if knob["in_force"] < knob["base"] and knob["leases"]:
                self._display.saw("batch", f"{knob['base']} → {knob['in_force']}, lease {knob['leases'][0]}")
            view = await self._view()
            entries = view["timeline"] if view is not None else ()
            verified = next((entry for entry in entries if entry["kind"] == "step.verified"), None)
            if verified is not None:
                self._display.saw("verified", str(verified["text"]).removeprefix("Verified: "))
            if quiet_since is None or now.preemptions > quiet_since[1]:
                quiet_since = (time.monotonic(), now.preemptions)
            quiet_s = time.monotonic() - quiet_since[0]
            if self._display.has_seen("batch") and quiet_s > QUIET_S and now.waiting + now.running > 0:
                self._display.saw("relief", f"none for {quiet_s:.0f} s with {now.waiting:.0f} requests waiting")
            return all(self._display.has_seen(key) for key in ("ttft", "batch", "verified", "relief"))

        await self._until("a smaller batch that is verified to help", RELIEF_LIMIT_S, seen)

    async def _until_recovered(self) -> None:
        await self._until_drained()

        async def seen() -> bool:
            await self._look()
            view = await self._view()
            if view is None:
                return False
            incident = view["incident"]
            if incident["state"] == "resolved":
                lasted_s = incident["resolved_at"] - incident["opened_at"]
                self._display.saw("resolved", f"{incident['incident_id']} after {lasted_s:.0f} s")
            knob = await self._observer.batch_knob()
            if self._display.has_seen("resolved") and not knob["leases"] and knob["in_force"] == knob["base"]:
                self._display.saw("released", f"batch limit {knob['in_force']} again, no lease left")
            messages = await self._messages(incident["incident_id"])
            if self._display.has_seen("released") and len(messages) == 1 and messages[0].get("edited"):
                self._display.saw("one_message", f"{messages[0].get('reply_count', 0)} replies in its thread")
            return all(self._display.has_seen(key) for key in ("resolved", "released", "one_message"))

        await self._until("the incident's end and the lease's release", RECOVERY_LIMIT_S, seen)

    async def _until_drained(self) -> None:
        """How long a queue takes depends on the machine, so what is asked is that it goes on getting shorter."""
        shortest, since = float("inf"), time.monotonic()

        async def seen() -> bool:
            nonlocal shortest, since
            waiting = (await self._look()).waiting
            if waiting < shortest:
                shortest, since = waiting, time.monotonic()
            if time.monotonic() - since > DRAIN_PATIENCE_S:
                raise StoryBroken(f"the queue has stood at {waiting:.0f} for {DRAIN_PATIENCE_S:.0f} s")
            return waiting == 0

        await self._until("the end of the queue", DRAIN_LIMIT_S, seen)

    # -- waiting and looking

    async def _look(self) -> ServerNumbers:
        numbers = await self._observer.numbers()
        self._display.numbers = numbers
        ttft_s = _mean_ttft_s(self._spike_start, numbers) if self._spike_start is not None else None
        if ttft_s is not None and ttft_s > TTFT_RISES_TO * self._baseline_ttft_s:
            self._display.saw("ttft", f"{self._baseline_ttft_s:.2f} s → {ttft_s:.2f} s on average")
        return numbers

    async def _view(self) -> Json | None:
        """The incident of this story, as core's API shows it."""
        views = await self._observer.incidents()
        return next((view for view in views if view["incident"]["labels"].get("alertname") == ALERT), None)

    async def _messages(self, incident_id: str) -> list[Json]:
        """The bot's messages that show the incident, replies left out."""
        found = await self._observer.messages(CHANNEL)
        key = f"incident:{incident_id}"
        return [one for one in found if one.get("metadata", {}).get("event_payload", {}).get("key") == key]

    async def _until(self, what: str, limit_s: float, seen: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + limit_s
        last_error = ""
        while time.monotonic() < deadline:
            self._stage.require_alive()
            try:
                if await seen():
                    return
            except httpx.HTTPError as error:
                last_error = f"; last error: {error!r}"
            await asyncio.sleep(POLL_S)
        raise StoryBroken(f"waited {limit_s:.0f} s for {what}{last_error}")


def _mean_ttft_s(before: ServerNumbers, after: ServerNumbers) -> float | None:
    count = after.ttft_count - before.ttft_count
    return (after.ttft_sum_s - before.ttft_sum_s) / count if count > 0 else None


async def run_demo(options: DemoOptions) -> int:
    """Run the demo; the exit status is 0 only if every check was seen."""
    folder = Path(".demo") / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    display = Display([Check(key, title) for key, title in CHECKS])
    stage = Stage(folder, options.port)
    return await show(
        display,
        stage.page_url,
        str(folder / "logs"),
        Story(options, stage, display).tell,
        stage.close,
        is_kept=options.is_kept,
        more_logs=lambda: f"; the bot's roles: {', '.join(sorted(map(str, (folder / 'data' / 'logs').glob('*.log'))))}",
    )
