"""The failwhale for people: one page that stands alone, so that it can be shown when nothing else works.

No asset is fetched, style and script are named in the policy header by their hashes, and everything that a lease says
is escaped: its message is text from outside.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from serving_stub.frontdoor.accept import prefers
from serving_stub.frontdoor.failwhale import Turned
from serving_stub.frontdoor.refusal import whole_seconds

STATUS = 503
_WEB = Path(__file__).parent / "web"
_MINUTE_S = 60
_HOUR_S = 3600


def wants_page(accept: str | None) -> bool:
    """Whether somebody with this `Accept` header would rather have the page than JSON: browsers say so."""
    return prefers("text/html", "application/json", accept)


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class FailwhalePage:
    """Reads its parts from the package once; `answer` then only fills in the words."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._template = environment.get_template("failwhale.html")
        style, script = _part("failwhale.css"), _part("failwhale.js")
        # These three are our own files; nothing else on the page is ever taken as markup.
        self._parts = {
            "style": Markup(style),  # noqa: S704
            "script": Markup(script),  # noqa: S704
            "drawing": Markup(_part("failwhale.svg")),  # noqa: S704
        }
        self._policy = (
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def answer(self, turned: Turned, now: float) -> PageAnswer:
        """The page for somebody who is turned away at *now*, seconds since the epoch."""
        is_late = turned.back_at is not None and turned.back_at <= now
        wait_s = turned.retry_after_s if turned.back_at is None or is_late else turned.back_at - now
        body = self._template.render(
            self._parts,
            message=turned.message,
            back_at=None if turned.back_at is None else _Moment(turned.back_at),
            is_late=is_late,
            wait=about(wait_s),
            now=_Moment(now).text,
        )
        headers = (
            ("content-type", "text/html; charset=utf-8"),
            ("retry-after", str(whole_seconds(turned.retry_after_s))),
            ("cache-control", "no-store"),
            ("vary", "accept"),
            ("content-security-policy", self._policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        )
        return PageAnswer(STATUS, headers, body.encode())


def about(seconds: float) -> str:
    """A wait in words: `about 12 minutes`; rounded up, so nobody is back too early."""
    if seconds <= _MINUTE_S:
        return "about a minute"
    minutes = -int(-seconds // _MINUTE_S)
    if minutes < 90:
        return f"about {minutes} minutes"
    hours = -int(-seconds // _HOUR_S)
    return f"about {hours} hours" if hours <= 48 else f"about {-int(-hours // 24)} days"


class _Moment:
    """A time for people and for machines, both UTC."""

    def __init__(self, seconds: float) -> None:
        at = datetime.fromtimestamp(seconds, UTC)
        self.iso = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.text = at.strftime("%H:%M UTC on ") + f"{at.day} {at.strftime('%B %Y')}"


def _part(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
