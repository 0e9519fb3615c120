"""Routes for what people do to a cluster by hand, as it is typed; what acts needs a person's own token."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.people import Person
from opsbot.spoken.commands import ActCommands
from opsbot.spoken.plain import MOST_CHARS
from opsbot.web.answers import error, read_body, unauthorized
from opsbot.web.tokens import Tokens


class ActBody(BaseModel):
    """What was typed behind the verb; `request_id` makes a repeat harmless, `dry` says what it would do."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=4 * MOST_CHARS)
    request_id: str | None = Field(default=None, min_length=1, max_length=64)
    dry: bool = False


class ActsApi:
    """`batch`, `shed`, `failwhale`, `fallback` and `loadtest` over HTTP."""

    def __init__(self, acts: ActCommands, tokens: Tokens, person_for: Callable[[str], Person]) -> None:
        self._acts = acts
        self._tokens = tokens
        self._person_for = person_for

    def routes(self) -> list[Route]:
        """Under `/api/v1`."""
        return [Route("/api/v1/acts/{verb}", self.act, methods=["POST"])]

    async def act(self, request: Request) -> Response:
        """Do it, or say what it would do."""
        user = self._tokens.user(request)
        if user is None:
            return unauthorized()
        body, wrong = await read_body(request, ActBody)
        if body is None:
            return error(400, "bad_request", wrong)
        verb, request_id = str(request.path_params["verb"]), body.request_id or uuid4().hex
        if body.dry:
            intention = await self._acts.intend(verb, body.text, request_id)
            return JSONResponse({"message": intention.sentence, "kind": intention.act.kind, "run": None})
        answer = await self._acts.carry_out(verb, body.text, self._person_for(user), request_id)
        run = None if answer.run is None else dataclasses.asdict(answer.run)
        return JSONResponse({"message": answer.message, "kind": "", "run": run})
