"""Routes for incidents as a whole and for silences; every write needs a person's own token."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.alert.silence import Silence
from opsbot.incident.commands import IncidentCommands
from opsbot.people import Person
from opsbot.web.answers import error, read_body, unauthorized
from opsbot.web.tokens import Tokens


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReasonBody(_Body):
    """Why somebody does it."""

    reason: str = Field(max_length=500)


class IntoBody(_Body):
    """Another incident."""

    into: str = Field(max_length=32)


class LinkBody(_Body):
    """Another incident, and what they have to do with each other."""

    other: str = Field(max_length=32)
    reason: str = Field(default="", max_length=500)


class NoteBody(_Body):
    """What is added to a timeline; `request_id` makes a repeat harmless."""

    text: str = Field(max_length=10_000)
    request_id: str | None = Field(default=None, max_length=128)


class SilenceBody(_Body):
    """A silence as it is asked for; `request_id` makes a repeat harmless."""

    matchers: list[str] = Field(min_length=1, max_length=16)
    length_s: float = Field(gt=0)
    reason: str = Field(max_length=500)
    request_id: str | None = Field(default=None, max_length=128)


class HandlingApi:
    """What people do with incidents as a whole."""

    def __init__(self, commands: IncidentCommands, tokens: Tokens, person_for: Callable[[str], Person]) -> None:
        self._commands = commands
        self._tokens = tokens
        self._person_for = person_for

    def routes(self) -> list[Route]:
        """Under `/api/v1`."""
        incident = "/api/v1/incidents/{incident_id}"
        return [
            Route(f"{incident}/resolve", self.resolve, methods=["POST"]),
            Route(f"{incident}/merge", self.merge, methods=["POST"]),
            Route(f"{incident}/unmerge", self.take_apart, methods=["POST"]),
            Route(f"{incident}/link", self.link, methods=["POST"]),
            Route(f"{incident}/note", self.note, methods=["POST"]),
            Route("/api/v1/silences", self.silences, methods=["GET"]),
            Route("/api/v1/silences", self.silence, methods=["POST"]),
            Route("/api/v1/silences/{silence_id}", self.end_silence, methods=["DELETE"]),
        ]

    async def resolve(self, request: Request) -> Response:
        """End an incident by hand."""
        return await self._write(
            request, ReasonBody, lambda body, who: self._commands.resolve(_incident(request), body.reason, who)
        )

    async def merge(self, request: Request) -> Response:
        """Deal with an incident under another."""
        return await self._write(
            request, IntoBody, lambda body, who: self._commands.merge(_incident(request), body.into, who)
        )

    async def take_apart(self, request: Request) -> Response:
        """Undo a merge."""
        return await self._write(request, None, lambda body, who: self._commands.take_apart(_incident(request), who))

    async def link(self, request: Request) -> Response:
        """Link two incidents."""
        return await self._write(
            request, LinkBody, lambda body, who: self._commands.link(_incident(request), body.other, body.reason, who)
        )

    async def note(self, request: Request) -> Response:
        """Add a person's words to the timeline."""
        return await self._write(
            request,
            NoteBody,
            lambda body, who: self._commands.add_note(
                _incident(request), body.text, who, body.request_id or uuid4().hex
            ),
        )

    async def silence(self, request: Request) -> Response:
        """Set a silence."""
        return await self._write(
            request,
            SilenceBody,
            lambda body, who: self._commands.silence(body.matchers, body.length_s, body.reason, who, body.request_id),
        )

    async def end_silence(self, request: Request) -> Response:
        """End a silence before its time."""
        return await self._write(
            request, None, lambda body, who: self._commands.end_silence(request.path_params["silence_id"], who)
        )

    async def silences(self, request: Request) -> Response:
        """Live silences."""
        if not self._tokens.is_machine(request) and self._tokens.user(request) is None:
            return unauthorized()
        return JSONResponse({"silences": [_plain(silence) for silence in await self._commands.silences()]})

    async def _write(
        self, request: Request, model: type[BaseModel] | None, command: Callable[[Any, Person], Awaitable[str]]
    ) -> Response:
        user = self._tokens.user(request)
        if user is None:
            return unauthorized()
        body = None
        if model is not None:
            body, wrong = await read_body(request, model)
            if body is None:
                return error(400, "bad_request", wrong)
        return JSONResponse({"message": await command(body, self._person_for(user))})


def _incident(request: Request) -> str:
    return str(request.path_params["incident_id"])


def _plain(silence: Silence) -> dict[str, Any]:
    fields = {
        field.name: getattr(silence, field.name) for field in dataclasses.fields(silence) if field.name != "match"
    }
    return {**fields, "matchers": list(silence.match.texts)}
