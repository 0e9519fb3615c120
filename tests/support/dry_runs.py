"""Dry runs in tests: given metrics, servers that take nothing but questions, an action that must not act."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import httpx
from pydantic import BaseModel, ConfigDict

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.parts import ShippedParts
from opsbot.action.registry import shipped_actions
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.incident.incident import Incident, IncidentState
from opsbot.people import Person, Role
from opsbot.runbook.action import Action, ActionContext, ActionRegistry, Description, Facts, Outcome
from opsbot.runbook.dry_probe import Probes
from opsbot.runbook.dry_run import DryRun
from opsbot.runbook.dry_scope import Scope
from opsbot.runbook.dry_walk import DryWalk, People
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Scalar
from opsbot.runbook.probe import Verdict
from opsbot.runbook.scope import RunFacts

PEOPLE: Mapping[str, frozenset[Role]] = {
    "U0ANNA": frozenset({"responder"}),
    "U0BEN": frozenset({"commander"}),
    "U0CLEO": frozenset({"viewer"}),
}


@dataclass(slots=True)
class Metrics:
    """Implements Prober with what is given; anything else does not answer."""

    values: dict[str, float | None] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def check(self, expr: str, /) -> Verdict:
        self.asked.append(expr)
        if expr not in self.verdicts:
            raise SourceError("the metrics source does not answer")
        return self.verdicts[expr]

    async def value(self, expr: str, /) -> float | None:
        self.asked.append(expr)
        if expr not in self.values:
            raise SourceError("the metrics source does not answer")
        return self.values[expr]


@dataclass(slots=True)
class Server:
    """Answers what a control API answers to questions; any other request is a failed test."""

    limits: dict[str, int]
    requests: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", f"a dry run sent {request.method} {request.url}"
        self.requests.append(str(request.url))
        limit = self.limits.get(request.url.host)
        if limit is None:
            raise httpx.ConnectError("nobody listens", request=request)
        knob = {"knob": "batch_limit", "kind": "number", "base": limit, "in_force": limit, "minimum": 1, "maximum": 256}
        return httpx.Response(200, json={"knobs": [knob]})


class PageArguments(BaseModel):
    """What `test.page` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str
    to: str = "oncall"


class PageOutputs(BaseModel):
    """What `test.page` yields."""

    page_id: str


class Page(Action[PageArguments]):
    """Changes something without a lease, is risky, and fails the test if it is really done."""

    name: ClassVar[str] = "test.page"
    summary: ClassVar[str] = "Page somebody."
    arguments = PageArguments
    outputs = PageOutputs
    is_risky: ClassVar[bool] = True
    role: ClassVar[Role] = "commander"

    async def act(self, arguments: PageArguments, context: ActionContext) -> Outcome:
        raise AssertionError("a dry run acted")

    def describe(self, arguments: PageArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(f"page {arguments.to}: {arguments.text}", "nobody can take a page back")


def dry_registry(metrics: Metrics, server: Server) -> ActionRegistry:
    """The shipped actions over *server*, one cluster a host, and `test.page`."""
    targets = {name: ServingTarget(f"http://{name}", "token") for name in server.limits}
    control = ControlClient(targets, httpx.MockTransport(server))
    return ActionRegistry([*shipped_actions(ShippedParts(metrics, control)), Page()])


def dry_run(
    text: str,
    metrics: Metrics,
    server: Server,
    *,
    labels: Mapping[str, str] | None = None,
    value: float | None = 0.9,
    inputs: Mapping[str, Scalar] | None = None,
    requester: str = "",
    asked: str = "",
    is_drill: bool = False,
    each_s: float = 5.0,
    all_s: float = 30.0,
) -> DryRun:
    """What *text* would do; its clusters are the server's."""
    registry = dry_registry(metrics, server)
    runbook, problems = loads_runbook(text, "runbook.yaml", registry)
    assert runbook is not None, problems
    alert = {"alertname": "KVCachePressure", "cluster": "east", "severity": "high"} if labels is None else labels
    incident = Incident("INC-0", "f", 1, "t", "", "high", alert, IncidentState.OPEN, 0.0, 0.0, value=value)
    facts = RunFacts("run:r:f:1:1", requester, is_drill, inputs or {}, tuple(server.limits))
    person = Person(asked, PEOPLE.get(asked, frozenset())) if asked else None
    probes = Probes(SystemClock(), each_s, all_s)
    walk = DryWalk(Scope(runbook, incident, facts, registry), People(PEOPLE, person), metrics, probes)
    return asyncio.run(walk.run("a test"))
