"""The front door: one ASGI application around a backend, our own routes or an upstream, through which all requests go.

The order of its stages stands in `_pass` and `_work`, and nowhere else (docs/decisions/0010). Each stage lets
the request on or answers it; whoever answers, the request is recorded once, when it is over.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving_stub.api.door_parts import DoorParts
from serving_stub.api.door_record import DoorRecorder
from serving_stub.api.door_request import Replay, Visit, identify, until_gone, visit_of
from serving_stub.api.errors import ApiError
from serving_stub.api.upstream_request import BodyTooLarge, read_body
from serving_stub.api.upstream_request import ClientGone as LeftEarly
from serving_stub.frontdoor.admission import ClientGone
from serving_stub.frontdoor.asked import max_tokens_of, prompt_text_of
from serving_stub.frontdoor.decision import InForce, turned_away
from serving_stub.frontdoor.door_knobs import FALLBACK, THROTTLE
from serving_stub.frontdoor.failwhale import Turned
from serving_stub.frontdoor.failwhale_page import wants_page
from serving_stub.frontdoor.fallback import Chosen, is_readable, rewrite
from serving_stub.frontdoor.fallback_answer import GuardedSend, notice_answer
from serving_stub.frontdoor.fallback_vetting import FallbackVetting
from serving_stub.frontdoor.features import screen
from serving_stub.frontdoor.limits import Charge, rate_refusal
from serving_stub.frontdoor.prompt_library import FallbackMode
from serving_stub.frontdoor.refusal import Refusal
from serving_stub.frontdoor.refused import NUM_READ
from serving_stub.frontdoor.served import Served
from serving_stub.frontdoor.throttle import decide_throttle

_BYTES_PER_TOKEN = 4
_ASSUMED_TOKENS = 256
"""Charged for an answer whose length nobody limited, until it is known."""
_MOST_TEXT = 100_000
"""Characters of an answer that are kept where the log takes text."""
_NO_SUCH_PATH = ApiError(404, "path_not_found", "POST on this path: not found; docs/serving.md lists what there is")


class Door:
    """An ASGI application.

    Args:
        in_force: the layers of a knob.
        model: as the backend's only model is called; None where that is the upstream's to know.
    """

    def __init__(
        self, parts: DoorParts, in_force: InForce, vetting: FallbackVetting, backend: ASGIApp, model: str | None
    ) -> None:
        self._parts = parts
        self._in_force = in_force
        self._vetting = vetting
        self._backend = backend
        self._model = model
        self._recorder = DoorRecorder(parts.counts, parts.events)
        self._appeal_url = parts.settings.appeal_url
        log = parts.settings.request_log
        self._most_said = 0 if log is None else _MOST_TEXT if log.text else NUM_READ

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._backend(scope, receive, send)
            return
        visit = visit_of(scope, self._parts.clock.now(), time.monotonic(), self._most_said)
        try:
            await self._pass(visit, receive, _noting(visit.served, send))
        except (ClientGone, LeftEarly):
            visit.served.error_code = "client_gone"
        finally:
            self._recorder.record(visit)

    async def _pass(self, visit: Visit, receive: Receive, send: Send) -> None:
        """Body, caller, block, failwhale, shed; then what needs no work goes straight on."""
        parts = self._parts
        if visit.scope["method"] == "POST":
            too_large = await self._read(visit, receive)
            if too_large is not None:
                await _answer(visit, too_large, send)
                return
            receive = Replay(visit.body, receive)
        bad_key = identify(visit, parts.tenants.directory, parts.enricher, parts.signatures)
        caller = visit.caller
        if visit.is_work and bad_key is None:
            parts.shares.count(caller.priority, visit.at)
        turned = turned_away(
            caller,
            self._in_force,
            parts.shares.shares(visit.at),
            visit.at,
            self._appeal_url,
            is_work=visit.is_work and bad_key is None,
        )
        if isinstance(turned, Turned):
            await self._show_failwhale(visit, turned, send)
        elif turned is not None or bad_key is not None:
            await self._refuse(visit, turned or bad_key, send)
        elif visit.is_work:
            await self._work(visit, receive, send)
        else:
            await self._backend(_for_backend(visit, None), receive, send)

    async def _work(self, visit: Visit, receive: Receive, send: Send) -> None:
        """Gate, throttle, limits, fallback, admission, gate again, backend; charges are settled when it is over."""
        parts = self._parts
        assert visit.holder is not None
        refusal = parts.gate.refusal()
        if refusal is not None:
            await self._refuse(visit, refusal, send)
            return
        num_tokens = self._num_tokens(visit)
        charged = self._charge(visit, num_tokens)
        if isinstance(charged, Refusal):
            await self._refuse(visit, charged, send)
            return
        self._screen(visit)
        chosen = self._vetting.choose(visit.caller, is_crisis=visit.screening is not None and visit.screening.is_crisis)
        is_served = False
        try:
            if chosen is not None and await self._answer_for(visit, chosen, send):
                is_served = True
                return
            async with self._slot(visit, receive) as late:
                refusal = late or parts.gate.refusal()
                if refusal is not None:
                    await self._refuse(visit, refusal, send)
                    return
                is_served = True
                await self._serve(visit, chosen, receive, self._limited(visit, send))
        finally:
            self._settle(visit.served, charged, is_served=is_served)

    # -- stages

    async def _read(self, visit: Visit, receive: Receive) -> ApiError | None:
        most = self._parts.max_body_bytes
        too_large = ApiError(413, "body_too_large", f"the body is larger than the {most} bytes that are accepted")
        stated = visit.headers.get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > most:
            return too_large
        try:
            visit.read(await read_body(visit.scope, receive, most))
        except BodyTooLarge:
            return too_large
        return None

    def _screen(self, visit: Visit) -> None:
        """Look for a crisis, where it would change anything or be written down."""
        if visit.asked is None or visit.endpoint is None:
            return
        if self._recorder.wants_text or self._in_force(FALLBACK.name):
            visit.screening = screen(prompt_text_of(visit.asked, visit.endpoint), self._parts.patterns)

    def _num_tokens(self, visit: Visit) -> int:
        """What the request may come to, roughly; it is settled by the engine's own count."""
        most = max_tokens_of(visit.asked or {})
        return len(visit.body) // _BYTES_PER_TOKEN + (_ASSUMED_TOKENS if most is None else most)

    def _charge(self, visit: Visit, num_tokens: int) -> Refusal | Sequence[Charge]:
        limiter, caller = self._parts.limiter, visit.caller
        charges: list[Charge] = []
        throttles = self._in_force(THROTTLE.name)
        if throttles:
            throttled = decide_throttle(caller, throttles, limiter, num_tokens, visit.at, self._appeal_url)
            if isinstance(throttled, Refusal):
                return throttled
            charges += [throttled] if throttled is not None else []
        budgets = visit.holder.budgets if visit.holder is not None else ()
        if budgets:
            taken = limiter.take(budgets, num_tokens, visit.at)
            if not isinstance(taken, Charge):
                for charge in charges:
                    limiter.refund(charge)
                return rate_refusal(taken, limiter.headers(budgets, visit.at))
            charges.append(taken)
        return charges

    def _settle(self, served: Served, charges: Sequence[Charge], *, is_served: bool) -> None:
        for charge in charges:
            if is_served:
                self._parts.limiter.settle(charge, (served.prompt_tokens or 0) + (served.completion_tokens or 0))
            else:
                self._parts.limiter.refund(charge)

    @asynccontextmanager
    async def _slot(self, visit: Visit, receive: Receive) -> AsyncIterator[Refusal | None]:
        """A place in the server; whoever hangs up while waiting gives up the turn."""
        admission = self._parts.admission
        assert visit.holder is not None
        queue = admission.queue
        is_free = queue.num_in_flight < queue.limit and not queue.num_waiting
        watch = None if is_free else asyncio.ensure_future(until_gone(_later(receive)))
        asked_at = time.monotonic()
        try:
            async with admission.slot(visit.holder.service_class, visit.caller.identity, watch) as refusal:
                if watch is not None:
                    watch.cancel()
                if refusal is None:
                    self._parts.counts.waited(time.monotonic() - asked_at)
                yield refusal
        finally:
            if watch is not None:
                watch.cancel()

    async def _answer_for(self, visit: Visit, chosen: Chosen, send: Send) -> bool:
        """Answer in the model's place where the fallback asks for no model; whether it was answered."""
        if visit.endpoint is None:
            # Nothing else that generates is known to be safe from it, and a path that is not there is no sign.
            self._mark(visit, chosen)
            await _answer(visit, _NO_SUCH_PATH, send)
            return True
        asked = visit.asked
        if chosen.prompt.mode is not FallbackMode.NOTICE or asked is None or not is_readable(asked, visit.endpoint):
            return False
        if self._model is not None and asked.get("model") not in (None, self._model):
            return False
        self._mark(visit, chosen)
        model = visit.caller.model or self._model or ""
        kind, pieces = notice_answer(asked, chosen.prompt, visit.endpoint, model=model, now=visit.at)
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-cache")]
        if len(pieces) == 1:
            headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(pieces[0]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        visit.served.finish_reason = "stop"
        return True

    async def _serve(self, visit: Visit, chosen: Chosen | None, receive: Receive, send: Send) -> None:
        """Ask the backend, with another body where a fallback is in force or a client named its own priority."""
        body = self._body_for(visit, chosen)
        if body is not None:
            receive = Replay(body, _later(receive))
        if chosen is not None and visit.endpoint is not None:
            self._mark(visit, chosen)
            model = visit.caller.model or self._model or ""
            send = GuardedSend(send, chosen.prompt, visit.endpoint, model=model, now=visit.at)
        priority = visit.caller.priority if _has_key(visit) else None
        await self._backend(_for_backend(visit, priority), receive, send)

    def _body_for(self, visit: Visit, chosen: Chosen | None) -> bytes | None:
        """What the backend is asked in place of the body; None for the very bytes that came."""
        asked = visit.asked
        if asked is None or visit.endpoint is None:
            return None
        # Our own engine takes the class from the scope; an upstream takes it from the body, where clients write it.
        is_promoting = self._model is None and "priority" in asked and _has_key(visit)
        if chosen is None and not is_promoting:
            return None
        body = dict(asked) if chosen is None else rewrite(asked, chosen, visit.endpoint)
        if is_promoting:
            del body["priority"]
        return json.dumps(body).encode()

    def _mark(self, visit: Visit, chosen: Chosen) -> None:
        """For logs, usage and metrics alone."""
        visit.applied = chosen.applied
        self._parts.counts.fallbacks[chosen.prompt.mode] += 1

    # -- answers

    def _limited(self, visit: Visit, send: Send) -> Send:
        """Adds what is left of the caller's limits to the answer's headers."""
        budgets = visit.holder.budgets if visit.holder is not None else ()
        if not budgets:
            return send

        async def with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = self._parts.limiter.headers(budgets, visit.at)
                own = [(name.encode(), value.encode()) for name, value in left]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        return with_limits

    async def _refuse(self, visit: Visit, refusal: Refusal | None, send: Send) -> None:
        assert refusal is not None
        visit.reason = refusal.reason
        self._parts.counts.refused[refusal.reason, visit.caller.service_class] += 1
        error = ApiError(
            refusal.status,
            refusal.code,
            refusal.message,
            param=refusal.param,
            headers=dict(refusal.wire_headers()),
        )
        await _answer(visit, error, send)

    async def _show_failwhale(self, visit: Visit, turned: Turned, send: Send) -> None:
        """The page for people, the typed error for programs; each user is counted once."""
        self._parts.turned_away.add(visit.caller.identity)
        if not wants_page(visit.header(b"accept")):
            await self._refuse(visit, turned.refusal(), send)
            return
        refusal = turned.refusal()
        visit.reason, visit.served.error_code = refusal.reason, refusal.code
        self._parts.counts.refused[refusal.reason, visit.caller.service_class] += 1
        page = self._parts.page.answer(turned, visit.at)
        headers = [(name.encode(), value.encode()) for name, value in page.headers]
        headers.append((b"content-length", b"%d" % len(page.body)))
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": page.body})


def _noting(served: Served, send: Send) -> Send:
    """Notes the status of whatever answers."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            served.status = message["status"]
        await send(message)

    return noting


def _for_backend(visit: Visit, priority: int | None) -> Scope:
    """The scope as the backend sees it: with a record to fill, and the class that the door gives."""
    state = {**visit.scope.get("state", {}), "served": visit.served}
    if priority is not None:
        state["priority"] = priority
    return {**visit.scope, "state": state}


def _has_key(visit: Visit) -> bool:
    """Whether tenants are configured and this is one of them."""
    return visit.holder is not None and visit.holder.key is not None


def _later(receive: Receive) -> Receive:
    """What comes after the body that a `Replay` still holds."""
    return receive.after if isinstance(receive, Replay) else receive


async def _answer(visit: Visit, error: ApiError, send: Send) -> None:
    visit.served.error_code = error.code

    async def nothing_more() -> Message:
        return {"type": "http.disconnect"}

    await error.response()(visit.scope, nothing_more, send)
