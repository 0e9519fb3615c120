"""`GET /control`: one page for people of what is in force, for how long, by whom and why, and what changed last.

It only shows. A browser asks its user for the token (HTTP Basic, any name, the token as password); since the control
API itself takes no such password, no other page can make that browser change anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic_core import to_json
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.control_access import TokenGuard, insufficient, principal_of
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.knob import NumberKnob, OnEnd
from serving_stub.frontdoor.lease import Lease, LeaseState

NUM_NOTES = 30
NUM_LEASES = 20
"""Of one knob."""
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_MEANINGS: dict[OnEnd, str] = {
    "release": "gone at once",
    "ramp": "goes in steps, each when queue and KV cache allow",
    "hold_unhealthy": "stays until the server is healthy",
}
_TEMPLATE = Environment(
    loader=PackageLoader("serving_stub.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
).get_template("control.html")


@dataclass(frozen=True, slots=True)
class LeaseLine:
    """One lease, ready to read."""

    what: str
    left: str
    owner: str
    reason: str
    on_end: str
    lease_id: str


@dataclass(frozen=True, slots=True)
class KnobSection:
    """One knob that is not as usual, with its newest leases."""

    name: str
    summary: str
    leases: tuple[LeaseLine, ...]
    num_more: int


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One line of the audit, ready to read."""

    at: str
    ago: str
    what: str
    who: str
    why: str


class ControlPage:
    """The page and its guard."""

    def __init__(self, desk: LeaseDesk, tokens: ControlTokens, clock: Clock, server: str) -> None:
        self._desk = desk
        self._tokens = tokens
        self._clock = clock
        self._server = server

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        guard = Middleware(TokenGuard, tokens=self._tokens, clock=self._clock, basic=True)
        return [Route("/control", self.show, methods=["GET"], middleware=[guard])]

    async def show(self, request: Request) -> Response:
        """GET /control."""
        principal = principal_of(request)
        if not principal.may("read"):
            raise insufficient(principal, "read")
        now = self._clock.now()
        book = self._desk.book
        notes = self._desk.audit.notes(limit=NUM_NOTES)
        page = _TEMPLATE.render(
            server=self._server,
            time=_time(now),
            knobs=[_section(book, name, now) for name in book.knobs if book.of(name)],
            quiet=[name for name in book.knobs if not book.of(name)],
            notes=[_note(note, now) for note in reversed(notes)],
        )
        return HTMLResponse(page, headers=_HEADERS)


def _section(book: LeaseBook, name: str, now: float) -> KnobSection:
    knob = book.knobs[name]
    leases = book.of(name)
    if isinstance(knob, NumberKnob):
        summary = f"{book.figure(name)} in force, {knob.base} without leases"
    else:
        summary = "1 lease in force" if len(leases) == 1 else f"{len(leases)} leases in force"
    shown = tuple(_lease(lease, now) for lease in leases[-NUM_LEASES:])
    return KnobSection(name, summary, shown, len(leases) - len(shown))


def _lease(lease: Lease, now: float) -> LeaseLine:
    request = lease.request
    value = "on" if request.value == {} else to_json(request.value).decode()
    match lease.state:
        case LeaseState.RAMPING:
            left = f"ramping: {lease.strength:.0%} left"
        case LeaseState.HOLDING:
            left = "over, held until the server is healthy"
        case _:
            left = f"{span(lease.expires_at - now)} left"
    mode = " (preempt)" if request.mode == "preempt" else ""
    return LeaseLine(f"{value}{mode}", left, request.owner, request.reason, _MEANINGS[lease.on_end], lease.lease_id)


def _note(note: Note, now: float) -> NoteLine:
    what = f"{note.knob} {note.action}" if note.knob else note.action
    if note.before != note.after:
        what += f": {note.before} → {note.after}"
    who = f"{note.owner} (token {note.by})" if note.owner and note.by else note.owner or note.by
    return NoteLine(_time(note.at), f"{span(now - note.at)} ago", what, who, note.detail)


def span(seconds: float) -> str:
    """A length of time in its two largest units: `1 h 5 min`, `59 s`."""
    whole = max(0, round(seconds))
    for unit, size, next_unit, next_size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
