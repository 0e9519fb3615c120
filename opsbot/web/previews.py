"""The route that tells what would happen if somebody did it now; it changes nothing, and needs a person's own token."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.people import Person
from opsbot.runbook.commands import RunCommands, RunRequest
from opsbot.runbook.preview import Ask, PreviewVerb
from opsbot.web.answers import error, read_body, unauthorized
from opsbot.web.tokens import Tokens


class PreviewBody(BaseModel):
    """What somebody is about to do; the fields of a run belong to the verb `start`."""

    model_config = ConfigDict(extra="forbid")

    verb: PreviewVerb
    reference: str = Field(default="", max_length=200)
    runbook: str = Field(default="", max_length=64)
    cluster: str = Field(default="", max_length=200)
    inputs: dict[str, JsonValue] = Field(default_factory=dict, max_length=64)
    incident: str | None = Field(default=None, max_length=32)


class PreviewsApi:
    """Looks ahead for people."""

    def __init__(self, commands: RunCommands, tokens: Tokens, person_for: Callable[[str], Person]) -> None:
        self._commands = commands
        self._tokens = tokens
        self._person_for = person_for

    def routes(self) -> list[Route]:
        """Under `/api/v1`."""
        return [Route("/api/v1/previews", self.preview, methods=["POST"])]

    async def preview(self, request: Request) -> Response:
        """The look ahead, with its digest."""
        user = self._tokens.user(request)
        if user is None:
            return unauthorized()
        body, wrong = await read_body(request, PreviewBody)
        if body is None:
            return error(400, "bad_request", wrong)
        run = None
        if body.verb == "start":
            run = RunRequest(body.runbook, uuid4().hex, body.cluster, body.inputs, body.incident or None)
        found = await self._commands.preview(Ask(body.verb, body.reference, run), self._person_for(user))
        return JSONResponse(found.as_json())
