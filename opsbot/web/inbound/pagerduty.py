"""PagerDuty's webhooks: who acknowledges or resolves a page there does so here too.

Source: PagerDuty's developer documentation, "Webhooks Overview" (v3) and "Verifying Signatures".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.errors import InvalidTransition, NotFoundError, OpsbotError
from opsbot.pagerduty.event import incident_of_key
from opsbot.people import Person
from opsbot.telemetry import CoreMetrics
from opsbot.web.answers import error
from opsbot.web.inbound.body import check_type, parse_json, read_body
from opsbot.web.inbound.errors import InboundError, MalformedError, UnauthorizedError
from opsbot.web.inbound.signature import SignatureKeys, split_signatures
from opsbot.web.timed import timed

NAME = "pagerduty"
"""The receiver's name in metrics, and where it stands under `/webhooks`."""
MAX_NAME = 80
PERSON_TYPES = ("user", "user_reference")
"""An agent of another type, or none, is no person: our own events come back that way too."""

logger = logging.getLogger(__name__)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Agent(_Wire):
    id: str | None = Field(default=None, max_length=200)
    summary: str | None = None
    type: str | None = None


class _Data(_Wire):
    incident_key: str | None = None
    type: str = ""


class _Event(_Wire):
    id: str = Field(min_length=1, max_length=200)
    event_type: str
    agent: _Agent | None = None
    data: _Data


class _Body(_Wire):
    event: _Event


@dataclass(frozen=True, slots=True)
class PagerEvent:
    """What somebody did to a page of ours.

    Args:
        event_id: PagerDuty's; the same one again changes nothing.
        kind: such as `incident.acknowledged`.
        is_by_person: a person did it; otherwise a rule, a timeout, or an event that we sent ourselves.
    """

    event_id: str
    kind: str
    incident_id: str
    person: Person
    is_by_person: bool = True


class PagerCore(Protocol):
    """What the door needs of core."""

    async def take_pager_event(self, event: PagerEvent) -> str:
        """Carry it out once; answers what came of it. Raises OpsbotError having done nothing."""
        ...


class PagerDutyDoor:
    """`POST /webhooks/pagerduty`."""

    def __init__(self, keys: SignatureKeys, instance: str, core: PagerCore, metrics: CoreMetrics) -> None:
        self._keys = keys
        self._instance = instance
        self._core = core
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """The route."""
        return [Route(f"/webhooks/{NAME}", timed(self.post, self._metrics.door_seconds), methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """One webhook; success is answered only once it is carried out."""
        try:
            event = await self._read(request)
        except InboundError as refusal:
            self._metrics.webhooks_refused.labels(NAME, refusal.reason).inc()
            logger.warning("a webhook of PagerDuty was refused: %s", refusal)
            return error(refusal.status, refusal.kind, str(refusal))
        except ClientDisconnect:
            return Response(status_code=400)
        if event is None:
            return JSONResponse({"accepted": 0, "why": "not about a page of this installation"})
        try:
            said = await self._core.take_pager_event(event)
        except (NotFoundError, InvalidTransition) as refusal:
            return JSONResponse({"accepted": 0, "why": str(refusal)})
        except OpsbotError as failure:
            logger.error("a webhook of PagerDuty was not carried out: %s", failure)
            self._metrics.webhooks_refused.labels(NAME, "not_stored").inc()
            answer = error(503, "not_accepted", "it was not stored; send it again")
            answer.headers["Retry-After"] = "5"
            return answer
        return JSONResponse({"accepted": 1, "what": said})

    async def _read(self, request: Request) -> PagerEvent | None:
        check_type(request.headers)
        body = await read_body(request)
        given = split_signatures(request.headers.get("x-pagerduty-signature", ""), "v1=")
        if not self._keys.verify(body, given):
            raise UnauthorizedError(
                "X-PagerDuty-Signature is by none of the secrets that `paging.pagerduty.webhook_secret_env` names"
            )
        try:
            event = _Body.model_validate(parse_json(body)).event
        except ValidationError as wrong:
            first = wrong.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise MalformedError(f"{place}: {first['msg']}") from wrong
        incident = incident_of_key(self._instance, event.data.incident_key or "")
        if incident is None:
            return None
        agent = event.agent or _Agent()
        name = (agent.summary or agent.id or "itself")[:MAX_NAME]
        person = Person(f"{NAME}:{name}", frozenset({"responder"}), "PagerDuty")
        return PagerEvent(event.id, event.event_type, incident, person, agent.type in PERSON_TYPES)
