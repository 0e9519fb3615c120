"""Routes for runs, what they ask, the global stop and holds of knobs; every write needs a person's own token."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.errors import ConfigError
from opsbot.people import Person
from opsbot.runbook.commands import RunAnswer, RunCommands, RunRequest
from opsbot.web.answers import error, read_body, unauthorized
from opsbot.web.tokens import Tokens


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReasonBody(_Body):
    """Why somebody does it."""

    reason: str = Field(max_length=500)


class MaybeReasonBody(_Body):
    """Why somebody does it, if they say so."""

    reason: str = Field(default="", max_length=500)


class StartBody(_Body):
    """A run as it is asked for; `request_id` makes a repeat harmless."""

    runbook: str = Field(max_length=64)
    cluster: str = Field(default="", max_length=200)
    inputs: dict[str, JsonValue] = Field(default_factory=dict, max_length=64)
    incident: str | None = Field(default=None, max_length=32)
    request_id: str | None = Field(default=None, max_length=64)


class AgainBody(_Body):
    """A repetition; `from_step` is where it begins."""

    from_step: str | None = Field(default=None, max_length=128)


class SkipBody(_Body):
    """A step to leave out, and why."""

    step: str = Field(max_length=128)
    reason: str = Field(max_length=500)


class SettleBody(_Body):
    """Whether a step happened whose outcome is unknown."""

    step: str = Field(max_length=128)
    happened: bool


class DecisionBody(_Body):
    """Grant or refuse; `glass_reason` grants alone, against the approval's rules."""

    decision: Literal["grant", "refuse"]
    glass_reason: str | None = Field(default=None, max_length=500)


class HoldBody(_Body):
    """Knobs to hold."""

    pattern: str = Field(max_length=200)
    length_s: float = Field(gt=0)
    reason: str = Field(max_length=500)


Command = Callable[[Any, Person], Awaitable[str | RunAnswer]]


class RunsApi:
    """What people do with runs."""

    def __init__(self, commands: RunCommands, tokens: Tokens, person_for: Callable[[str], Person]) -> None:
        self._commands = commands
        self._tokens = tokens
        self._person_for = person_for

    def routes(self) -> list[Route]:
        """Under `/api/v1`. Verbs come before the bare run, whose id may hold anything."""
        runs = self._commands
        run, announcement = "/api/v1/runs/{run_id:path}", "/api/v1/announcements/{announcement_id}"
        verbs: list[tuple[str, type[BaseModel] | None, Callable[[Request], Command]]] = [
            (f"{run}/undo", None, lambda r: lambda body, who: runs.undo(_run(r), who)),
            (f"{run}/cancel", ReasonBody, lambda r: lambda body, who: runs.cancel(_run(r), who, body.reason)),
            (f"{run}/pause", ReasonBody, lambda r: lambda body, who: runs.pause(_run(r), who, body.reason)),
            (f"{run}/resume", None, lambda r: lambda body, who: runs.resume(_run(r), who)),
            (f"{run}/skip", SkipBody, lambda r: lambda body, who: runs.skip(_run(r), body.step, who, body.reason)),
            (
                f"{run}/settle",
                SettleBody,
                lambda r: lambda body, who: runs.settle(_run(r), body.step, body.happened, who),
            ),
            (f"{run}/retry", AgainBody, lambda r: lambda body, who: runs.again(_run(r), who, body.from_step)),
            ("/api/v1/runs", StartBody, lambda r: lambda body, who: runs.start(_request(body), who)),
            ("/api/v1/approvals/{approval_id:path}", DecisionBody, lambda r: self._decision(r)),
            (
                f"{announcement}/object",
                MaybeReasonBody,
                lambda r: lambda body, who: runs.object(_announcement(r), who, body.reason),
            ),
            (f"{announcement}/go-now", None, lambda r: lambda body, who: runs.go_now(_announcement(r), who)),
            (f"{announcement}/capacity", None, lambda r: lambda body, who: runs.offer_capacity(_announcement(r), who)),
            ("/api/v1/halt", ReasonBody, lambda r: lambda body, who: runs.stop_all(who, body.reason)),
            (
                "/api/v1/holds",
                HoldBody,
                lambda r: lambda body, who: runs.hold(body.pattern, body.length_s, who, body.reason),
            ),
        ]
        return [
            *(Route(path, self._writer(model, command), methods=["POST"]) for path, model, command in verbs),
            Route("/api/v1/halt", self._writer(None, lambda r: lambda body, who: runs.go_on(who)), methods=["DELETE"]),
            Route(
                "/api/v1/holds/{number}",
                self._writer(None, lambda r: lambda body, who: runs.let_go(_number(r), who)),
                methods=["DELETE"],
            ),
            Route("/api/v1/halt", self.halt, methods=["GET"]),
            Route("/api/v1/holds", self.holds, methods=["GET"]),
            Route("/api/v1/runs", self.runs, methods=["GET"]),
            Route(run, self.run, methods=["GET"]),
        ]

    async def runs(self, request: Request) -> Response:
        """Runs that are not over, or with `state=all` the newest ones."""
        if not self._may_read(request):
            return unauthorized()
        wants_all = request.query_params.get("state") == "all"
        found = await self._commands.runs(include_finished=wants_all)
        return JSONResponse({"runs": [dataclasses.asdict(one) for one in found]})

    async def run(self, request: Request) -> Response:
        """One run."""
        if not self._may_read(request):
            return unauthorized()
        return JSONResponse(dataclasses.asdict(await self._commands.run(_run(request))))

    async def halt(self, request: Request) -> Response:
        """The global stop, null while there is none."""
        if not self._may_read(request):
            return unauthorized()
        found = await self._commands.halt()
        return JSONResponse({"halt": None if found is None else dataclasses.asdict(found)})

    async def holds(self, request: Request) -> Response:
        """Holds in force."""
        if not self._may_read(request):
            return unauthorized()
        return JSONResponse({"holds": [dataclasses.asdict(one) for one in await self._commands.holds()]})

    def _decision(self, request: Request) -> Command:
        approval = str(request.path_params["approval_id"])

        async def decide(body: DecisionBody, who: Person) -> str:
            is_granted = body.decision == "grant"
            if body.glass_reason is None:
                return await self._commands.decide(approval, is_granted=is_granted, person=who)
            if not is_granted:
                raise ConfigError("a refusal needs no glass broken: whoever may approve may refuse")
            return await self._commands.break_glass(approval, who, body.glass_reason)

        return decide

    def _writer(
        self, model: type[BaseModel] | None, command: Callable[[Request], Command]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def write(request: Request) -> Response:
            user = self._tokens.user(request)
            if user is None:
                return unauthorized()
            body = None
            if model is not None:
                body, wrong = await read_body(request, model)
                if body is None:
                    return error(400, "bad_request", wrong)
            answer = await command(request)(body, self._person_for(user))
            if isinstance(answer, str):
                return JSONResponse({"message": answer})
            return JSONResponse({"message": answer.message, "run": dataclasses.asdict(answer.run)})

        return write

    def _may_read(self, request: Request) -> bool:
        return self._tokens.is_machine(request) or self._tokens.user(request) is not None


def _request(body: StartBody) -> RunRequest:
    return RunRequest(body.runbook, body.request_id or uuid4().hex, body.cluster, body.inputs, body.incident or None)


def _run(request: Request) -> str:
    return str(request.path_params["run_id"])


def _announcement(request: Request) -> str:
    return str(request.path_params["announcement_id"])


def _number(request: Request) -> int:
    text = str(request.path_params["number"])
    if not text.isdigit():
        raise ConfigError(f"{text!r} is no hold's number; `opsbot holds` lists them")
    return int(text)
