"""`loadtest.run`: asks a cluster's door for answers at a steady rate, whether or not earlier ones came (open loop).

It shows whether a cluster that was brought back holds. Its prompt is fixed, so it takes nobody's words anywhere.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from opsbot.action.lease import LeaseArguments
from opsbot.action_settings import LoadtestSection
from opsbot.clock import Clock
from opsbot.errors import ActionError
from opsbot.people import Role
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.yamlfile import Duration, format_duration

if TYPE_CHECKING:
    import httpx

PROMPT = "Count slowly from one to one hundred in words, one number a line."
MAX_OUTSTANDING = 256
"""Past that an arrival is skipped and counted: a server that does not answer must not fill our memory."""
PROMPT_TOKENS = 20
"""Of PROMPT, by any tokenizer about."""
COUNT_EVERY_S = 1.0
ANSWER_LIMIT_S = 60.0
MAX_LINE_BYTES = 256 * 1024
_TURNED_AWAY = frozenset({429, 503})


class LoadArguments(LeaseArguments):
    """What `loadtest.run` takes."""

    requests_per_s: float = Field(
        gt=0, allow_inf_nan=False, description="At most `actions.loadtest.max_requests_per_s`."
    )
    duration: Duration = Field(
        gt=0, description="At most `actions.loadtest.max_duration`; the step's `timeout` must be longer."
    )
    max_tokens: int = Field(default=64, ge=1, le=4096, description="Most tokens of one answer.")
    expect: str = Field(default="", max_length=500, description="What is expected of it; told where it is announced.")


class LoadOutputs(BaseModel):
    """What `loadtest.run` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sent: int = Field(description="Requests that were sent.")
    ok: int = Field(description="Answers that came whole.")
    shed: int = Field(description="Requests that the door turned away (429, 503).")
    failed: int = Field(description="Requests that failed otherwise.")
    skipped: int = Field(description="Requests that were not sent, since too many were outstanding.")
    ttft_p50_s: float | None = Field(description="Median seconds to the first token; null without any.")
    ttft_p95_s: float | None = Field(description="The same, 95th percentile.")


@dataclass(slots=True)
class _Tally:
    sent: int = 0
    ok: int = 0
    shed: int = 0
    failed: int = 0
    skipped: int = 0
    ttfts_s: list[float] = field(default_factory=list)

    def outputs(self) -> Facts:
        return {
            "sent": self.sent,
            "ok": self.ok,
            "shed": self.shed,
            "failed": self.failed,
            "skipped": self.skipped,
            "ttft_p50_s": percentile(self.ttfts_s, 0.5),
            "ttft_p95_s": percentile(self.ttfts_s, 0.95),
        }


class LoadBook(Protocol):
    """Where load tests are announced, followed and closed. Raises OpsbotError."""

    async def expect(self, cluster: str, requests_per_s: float, tokens_per_request: float) -> str: ...

    async def begin(
        self, cluster: str, requests_per_s: float, tokens_per_request: float, length_s: float, run_id: str, words: str
    ) -> int: ...

    def count(self, number: int, facts: Facts) -> None: ...

    async def end(self, number: int, facts: Facts) -> None: ...


class LoadtestRun(Action[LoadArguments]):
    """Puts a bounded load on a cluster.

    What it does ends with it, so it may be run again after a crash.
    """

    name: ClassVar[str] = "loadtest.run"
    summary: ClassVar[str] = "Put a steady load on a cluster's door for a while, and measure."
    arguments = LoadArguments
    outputs = LoadOutputs
    role: ClassVar[Role] = "commander"

    def __init__(
        self,
        doors: Mapping[str, str],
        section: LoadtestSection,
        clock: Clock,
        book: LoadBook | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._doors = dict(doors)
        self._section = section
        self._clock = clock
        self._book = book
        self._environ = os.environ if environ is None else environ

    def locks(self, arguments: LoadArguments) -> tuple[str, ...]:
        return (f"{arguments.cluster}/loadtest",)

    def needs_s(self, arguments: LoadArguments) -> float:
        return arguments.duration

    async def prior(self, arguments: LoadArguments) -> Facts:
        self._check(arguments)
        if self._book is None:
            return {}
        expected = await self._book.expect(arguments.cluster, arguments.requests_per_s, _tokens(arguments))
        return {"expected": expected}

    def _check(self, arguments: LoadArguments) -> None:
        self._url(arguments)
        section = self._section
        if arguments.requests_per_s > section.max_requests_per_s:
            raise ActionError(
                f"requests_per_s is {arguments.requests_per_s:g}, at most {section.max_requests_per_s:g} "
                "(`actions.loadtest.max_requests_per_s` in opsbot.yaml)"
            )
        if arguments.duration > section.max_duration:
            raise ActionError(
                f"duration is {format_duration(arguments.duration)}, at most {format_duration(section.max_duration)} "
                "(`actions.loadtest.max_duration` in opsbot.yaml)"
            )

    def describe(self, arguments: LoadArguments, prior: Facts, ttl_s: float | None) -> Description:
        expected = f". {str(prior['expected']).rstrip('.')}" if prior.get("expected") else ""
        return Description(
            f"send {arguments.cluster} {arguments.requests_per_s:g} requests a second of up to {arguments.max_tokens} "
            f"tokens for {format_duration(arguments.duration)}, beside its users{expected}",
            "ends by itself; cancelling the run ends it at once",
        )

    async def find(self, arguments: LoadArguments, idempotency_key: str) -> Outcome | None:
        return None

    async def act(self, arguments: LoadArguments, context: ActionContext) -> Outcome:
        self._check(arguments)
        import httpx

        tally = _Tally()
        number = None
        if self._book is not None:
            number = await self._book.begin(
                arguments.cluster, arguments.requests_per_s, _tokens(arguments), arguments.duration, context.run_id,
                arguments.expect,
            )  # fmt: skip
        limits = httpx.Limits(max_connections=MAX_OUTSTANDING)
        timeout = httpx.Timeout(ANSWER_LIMIT_S, connect=5.0)
        async with httpx.AsyncClient(timeout=timeout, trust_env=False, limits=limits) as client:
            await self._arrivals(client, arguments, tally, number)
        if self._book is not None and number is not None:
            await self._book.end(number, tally.outputs())
        return Outcome(_said(arguments, tally), tally.outputs())

    async def _arrivals(
        self, client: httpx.AsyncClient, arguments: LoadArguments, tally: _Tally, number: int | None
    ) -> None:
        url, headers = self._url(arguments), self._headers()
        running: set[asyncio.Task[None]] = set()
        told = 0.0
        began = self._clock.monotonic()
        try:
            for arrival in range(math.ceil(arguments.requests_per_s * arguments.duration)):
                await asyncio.sleep(max(0.0, began + arrival / arguments.requests_per_s - self._clock.monotonic()))
                if self._book is not None and number is not None and self._clock.monotonic() - told >= COUNT_EVERY_S:
                    told = self._clock.monotonic()
                    self._book.count(number, tally.outputs())
                if len(running) >= MAX_OUTSTANDING:
                    tally.skipped += 1
                    continue
                tally.sent += 1
                task = asyncio.create_task(self._ask(client, url, headers, arguments.max_tokens, tally))
                running.add(task)
                task.add_done_callback(running.discard)
            if running:
                await asyncio.wait(running, timeout=ANSWER_LIMIT_S)
        finally:
            # Whoever cancels the step wants the load to end now.
            late = tuple(running)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            tally.failed += len(late)
            if self._book is not None and number is not None:
                self._book.count(number, tally.outputs())

    async def _ask(
        self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str], max_tokens: int, tally: _Tally
    ) -> None:
        import httpx

        body = {"prompt": PROMPT, "max_tokens": max_tokens, "temperature": 0, "stream": True}
        began = self._clock.monotonic()
        try:
            async with (
                asyncio.timeout(ANSWER_LIMIT_S),
                client.stream("POST", url, json=body, headers=headers) as answer,
            ):
                if answer.status_code in _TURNED_AWAY:
                    tally.shed += 1
                    return
                is_whole = answer.status_code == 200 and await self._read(answer, began, tally)
        except (httpx.HTTPError, TimeoutError):
            is_whole = False
        if is_whole:
            tally.ok += 1
        else:
            tally.failed += 1

    async def _read(self, answer: httpx.Response, began: float, tally: _Tally) -> bool:
        """Whether the stream came to its end without an error."""
        is_first = True
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or len(line) > MAX_LINE_BYTES:
                continue
            data = line.removeprefix("data: ").strip()
            if data == "[DONE]":
                return True
            if _is_error(data):
                return False
            if is_first:
                is_first = False
                tally.ttfts_s.append(self._clock.monotonic() - began)
        return False

    def _url(self, arguments: LoadArguments) -> str:
        door = self._doors.get(arguments.cluster)
        if door is None:
            known = ", ".join(sorted(self._doors))
            raise ActionError(f"no cluster {arguments.cluster!r} is configured under `serving`; known are: {known}")
        return f"{door.rstrip('/')}/v1/completions"

    def _headers(self) -> dict[str, str]:
        name = self._section.api_key_env
        if name is None:
            return {}
        key = self._environ.get(name, "")
        if not key:
            raise ActionError(f"the environment variable {name} (`actions.loadtest.api_key_env`) is not set")
        return {"authorization": f"Bearer {key}"}


def _tokens(arguments: LoadArguments) -> float:
    """Of one request, at most."""
    return PROMPT_TOKENS + arguments.max_tokens


def percentile(values: list[float], share: float) -> float | None:
    """The nearest rank; None without values."""
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 4)


def _is_error(data: str) -> bool:
    try:
        event = json.loads(data)
    except ValueError:
        return True
    return isinstance(event, dict) and "error" in event


def _said(arguments: LoadArguments, tally: _Tally) -> str:
    p95 = percentile(tally.ttfts_s, 0.95)
    first = "" if p95 is None else f"; first token within {p95:.3g} s for 95 of 100"
    skipped = f", {tally.skipped} not sent" if tally.skipped else ""
    return (
        f"Load on {arguments.cluster}: {tally.sent} sent, {tally.ok} answered, {tally.shed} turned away, "
        f"{tally.failed} failed{skipped}{first}"
    )
