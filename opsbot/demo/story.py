"""The story of the demo: a launch spike drowns a real model, the bot helps, and everything is put back.

Each check is ticked off only by what a public interface showed; nothing is taken from inside the processes.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from opsbot.demo.display import Check, Display
from opsbot.demo.observe import Observer, ServerNumbers
from opsbot.demo.person import PageVisitor
from opsbot.demo.processes import Process, ProcessDied, Processes, free_port, is_port_free

# Sized so that pressure is real on two cores: a full batch needs about three times the pool.
MAX_NUM_SEQS = 24
NUM_BLOCKS = 128
PROMPT_TOKENS = 64
MAX_TOKENS = 96
SPIKE_RATE = 4.0
STEADY_RATE = 0.4
MAX_OUTSTANDING = 40

BASELINE_S = 8.0
START_LIMIT_S = 90.0
PRESSURE_LIMIT_S = 75.0
APPROVAL_PATIENCE_S = 60.0
RELIEF_LIMIT_S = 90.0
RECOVERY_LIMIT_S = 110.0
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


class StoryBroken(Exception):
    """Something that had to happen did not happen in time."""


class Story:
    """One run of the demo."""

    def __init__(self, options: DemoOptions, folder: Path, display: Display) -> None:
        self._options = options
        self._folder = folder
        self._display = display
        self._tokens = {
            "control": secrets.token_urlsafe(24),
            "api": secrets.token_urlsafe(24),
            "bot": f"xoxb-local-{secrets.token_urlsafe(16)}",
            "app": f"xapp-local-{secrets.token_urlsafe(16)}",
            "page": secrets.token_urlsafe(24),
        }
        page_port = options.port if is_port_free(options.port) else free_port()
        self._server_url = f"http://127.0.0.1:{free_port()}"
        self._core_url = f"http://127.0.0.1:{free_port()}"
        self._slack_url = f"http://127.0.0.1:{page_port}"
        self.page_url = f"{self._slack_url}/?token={self._tokens['page']}"
        self._processes = Processes(
            folder / "logs",
            {
                "SERVING_CONTROL_TOKEN": self._tokens["control"],
                "OPSBOT_API_TOKEN": self._tokens["api"],
                "SLACK_BOT_TOKEN": self._tokens["bot"],
                "SLACK_APP_TOKEN": self._tokens["app"],
                "SLACK_API_URL": f"{self._slack_url}/api/",
                "OPSBOT_WORKSPACE_PAGE_TOKEN": self._tokens["page"],
            },
        )
        self._observer = Observer(self._server_url, self._core_url, self._slack_url, self._tokens)
        self._visitor = PageVisitor(self._slack_url, self._tokens["page"])
        self._baseline_ttft_s = 0.0
        self._granted_at_preemptions: float | None = None

    async def tell(self) -> None:
        """Run the whole story.

        Raises: StoryBroken, ProcessDied.
        """
        await self._start()
        await self._show_the_model()
        steady = await self._traffic("steady", STEADY_RATE, seed=self._options.seed)
        await self._measure_baseline()
        spike = await self._traffic("launch_spike", SPIKE_RATE, seed=self._options.seed + 1)
        await self._until_pressure_and_incident()
        await self._until_approved()
        await self._until_relieved()
        self._display.say("The spike ends; the queue drains")
        await self._processes.stop(spike)
        await self._until_recovered()
        await self._processes.stop(steady)

    async def close(self) -> None:
        """Stop every process."""
        await self._visitor.close()
        await self._observer.close()
        await self._processes.stop_all()

    # -- the parts of the story

    async def _start(self) -> None:
        self._display.say("Starting the model server, the Slack workspace and the bot")
        config_path = self._write_settings()
        await self._processes.start(
            "server",
            "serving_stub",
            [
                "--port", self._server_url.rsplit(":", 1)[1],
                "--model", "smollm2",
                "--max-num-seqs", str(MAX_NUM_SEQS),
                "--num-blocks", str(NUM_BLOCKS),
                "--journal", str(self._folder / "leases.jsonl"),
            ],
        )  # fmt: skip
        await self._processes.start("workspace", "opsbot", ["workspace", "--config", str(config_path)])
        await self._processes.start("bot", "opsbot", ["up", "--config", str(config_path)])
        await self._until(
            "the server, the workspace and the bot answer",
            START_LIMIT_S,
            self._everything_is_up,
        )

    async def _everything_is_up(self) -> bool:
        return (
            await self._observer.is_up(f"{self._server_url}/health")
            and await self._observer.is_up(f"{self._slack_url}/health")
            and await self._observer.is_up(f"{self._core_url}/healthz")
        )

    async def _show_the_model(self) -> None:
        self._display.say("Asking the model a question")
        question = "What is the airspeed of an unladen swallow?"
        answer = await self._observer.ask_model(question)
        if answer:
            self._display.saw("model", "“" + " ".join(answer.split()[:9]) + " …”")

    async def _traffic(self, scenario: str, rate: float, seed: int) -> Process:
        return await self._processes.start(
            f"traffic-{scenario}",
            "serving_stub",
            [
                "traffic",
                "--url", self._server_url,
                "--scenario", scenario,
                "--rate", str(rate),
                "--seed", str(seed),
                "--duration", "600",
                "--max-outstanding", str(MAX_OUTSTANDING),
                "--prompt-tokens", str(PROMPT_TOKENS),
                "--max-tokens", str(MAX_TOKENS),
                "--drain",
                "--drain-timeout", "5",
            ],
        )  # fmt: skip

    async def _measure_baseline(self) -> None:
        self._display.say("Normal traffic, to know what normal is")
        before = await self._observer.numbers()
        await self._watch_for(BASELINE_S)
        after = await self._observer.numbers()
        self._baseline_ttft_s = _mean_ttft_s(before, after) or 0.1

    async def _until_pressure_and_incident(self) -> None:
        self._display.say("A launch spike arrives: more users than the KV cache can carry")
        start = await self._observer.numbers()

        async def seen() -> bool:
            now = await self._look()
            if now.preemptions > start.preemptions:
                preempted = now.preemptions - start.preemptions
                self._display.saw("pressure", f"{preempted:.0f} preemptions, KV cache {now.kv_usage:.0%} full")
            ttft_s = _mean_ttft_s(start, now)
            if ttft_s is not None and ttft_s > 2 * self._baseline_ttft_s:
                self._display.saw("ttft", f"{self._baseline_ttft_s:.2f} s → {ttft_s:.2f} s")
            await self._look_for_incident()
            return all(self._display.has_seen(key) for key in ("pressure", "ttft", "incident", "message"))

        await self._until("pressure, an incident and its Slack message", PRESSURE_LIMIT_S, seen)

    async def _look_for_incident(self) -> None:
        incidents = await self._observer.incidents()
        if incidents:
            incident = incidents[0]["incident"]
            self._display.saw("incident", f"{incident['incident_id']} {incident['title']} ({incident['severity']})")
        messages = [message for message in await self._observer.messages("incidents") if message.get("bot_id")]
        if messages:
            self._display.saw("message", str(messages[0]["text"]))

    async def _until_approved(self) -> None:
        waited_from = time.monotonic()

        async def seen() -> bool:
            await self._look()
            view = (await self._observer.incidents())[0]
            kinds = {entry["kind"] for entry in view["timeline"]}
            if "approval.granted" in kinds:
                self._display.saw("approved", "through the page's button")
                return True
            if not any(run["approvals"] for run in view["runs"]):
                return False
            left_s = 0 if self._options.is_headless else APPROVAL_PATIENCE_S - (time.monotonic() - waited_from)
            if left_s > 0:
                self._display.say(f"Your turn: press Approve at {self.page_url} (in {left_s:.0f} s the demo does)")
                return False
            self._display.say("Pressing Approve on the page")
            await self._visitor.press("incidents", "Approve")
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
                self._display.saw("batch", f"{knob['base']} → {knob['in_force']} (lease {knob['leases'][0]})")
            view = (await self._observer.incidents())[0]
            verified = next((entry for entry in view["timeline"] if entry["kind"] == "step.verified"), None)
            if verified is not None:
                self._display.saw("verified", str(verified["text"]))
            if quiet_since is None or now.preemptions > quiet_since[1]:
                quiet_since = (time.monotonic(), now.preemptions)
            quiet_s = time.monotonic() - quiet_since[0]
            if self._display.has_seen("batch") and quiet_s > 4.0 and now.waiting + now.running > 0:
                self._display.saw("relief", f"none for {quiet_s:.0f} s with {now.waiting:.0f} requests waiting")
            return all(self._display.has_seen(key) for key in ("batch", "verified", "relief"))

        await self._until("a smaller batch that is verified to help", RELIEF_LIMIT_S, seen)

    async def _until_recovered(self) -> None:
        async def seen() -> bool:
            await self._look()
            view = (await self._observer.incidents())[0]
            incident = view["incident"]
            if incident["state"] == "resolved":
                lasted_s = incident["resolved_at"] - incident["opened_at"]
                self._display.saw("resolved", f"{incident['incident_id']} after {lasted_s:.0f} s")
            knob = await self._observer.batch_knob()
            if self._display.has_seen("resolved") and not knob["leases"] and knob["in_force"] == knob["base"]:
                self._display.saw("released", f"batch limit {knob['in_force']} again, no lease left")
            messages = [m for m in await self._observer.messages("incidents") if m.get("bot_id") and _is_top_level(m)]
            if self._display.has_seen("released") and len(messages) == 1 and messages[0].get("edited"):
                self._display.saw("one_message", f"{messages[0].get('reply_count', 0)} replies in its thread")
            return not self._display.missing()

        await self._until("the incident's end and the lease's release", RECOVERY_LIMIT_S, seen)

    # -- waiting and looking

    async def _look(self) -> ServerNumbers:
        numbers = await self._observer.numbers()
        self._display.numbers = numbers
        return numbers

    async def _watch_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._require_alive()
            await self._look()
            await asyncio.sleep(POLL_S)

    async def _until(self, what: str, limit_s: float, seen: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + limit_s
        last_error = ""
        while time.monotonic() < deadline:
            self._require_alive()
            try:
                if await seen():
                    return
            except httpx.HTTPError as error:
                last_error = f"; last error: {error!r}"
            await asyncio.sleep(POLL_S)
        raise StoryBroken(f"waited {limit_s:.0f} s for {what}{last_error}")

    def _require_alive(self) -> None:
        for process in self._processes.started:
            if not process.name.startswith("traffic"):
                process.require_alive()

    def _write_settings(self) -> Path:
        settings: dict[str, Any] = {
            "version": 1,
            "data_dir": str(self._folder / "data"),
            "serving": [{"cluster": "local", "url": self._server_url}],
            "workspace": {"port": int(self._slack_url.rsplit(":", 1)[1])},
            "core": {"port": int(self._core_url.rsplit(":", 1)[1])},
            "watch": {"port": free_port()},
            "events": {"port": free_port()},
            "people": [
                {"user": "U0ONCALL", "roles": ["responder"]},
                {"user": "U0COMMANDER", "roles": ["commander"]},
            ],
        }
        path = self._folder / "opsbot.yaml"
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        return path


def _mean_ttft_s(before: ServerNumbers, after: ServerNumbers) -> float | None:
    count = after.ttft_count - before.ttft_count
    return (after.ttft_sum_s - before.ttft_sum_s) / count if count > 0 else None


def _is_top_level(message: Any) -> bool:
    return "thread_ts" not in message or message["thread_ts"] == message["ts"]


async def run_demo(options: DemoOptions) -> int:
    """Run the demo; the exit status is 0 only if every check was seen."""
    folder = Path(".demo") / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    display = Display([Check(key, title) for key, title in CHECKS])
    story = Story(options, folder, display)
    failure = ""
    try:
        display.console.print(f"The page: {story.page_url}", markup=False, highlight=False, soft_wrap=True)
        display.console.print(f"The logs: {folder / 'logs'}", markup=False, highlight=False, soft_wrap=True)
        with display:
            try:
                await story.tell()
            except (StoryBroken, ProcessDied) as error:
                failure = str(error)
        _report(display, failure, folder)
        if options.is_kept and not failure:
            display.console.print("Everything is still running: look around, and press Ctrl-C to end.")
            await asyncio.Event().wait()
    except (KeyboardInterrupt, asyncio.CancelledError):
        display.console.print("Stopping.")
    finally:
        await story.close()
    return 1 if failure or display.missing() else 0


def _report(display: Display, failure: str, folder: Path) -> None:
    if not failure and not display.missing():
        display.console.print(
            f"All {len(display.checks)} checks were seen in {display.elapsed_s:.0f} s.", highlight=False
        )
        return
    if failure:
        display.console.print(f"The demo broke off: {failure}", markup=False, highlight=False)
    for check in display.missing():
        display.console.print(f"  ✗ not seen: {check.title}", markup=False, highlight=False)
    display.console.print(f"The logs are in {folder / 'logs'}.", markup=False, highlight=False)
