"""Client signatures: what a client looks like per release, and whether a request looks like the client it says it is.

A signature is recorded from the real client (`scripts/record_signature.py`): the order of the headers that it always
sends in that order, which headers and body fields it always or never sends. Somebody who copies only the user agent
differs in the rest. This tells programs apart, not people: whoever copies everything is known.

It reads HTTP/1.1 as it arrived. A proxy in front that sorts or drops headers, or speaks HTTP/2 to the client and 1.1 to
us, changes the order: then record the signatures behind that proxy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import re2
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.errors import SettingError
from serving_stub.frontdoor.caller import ClientKnown
from serving_stub.yamlfile import Location, load

SHIPPED = Path(__file__).with_name("data") / "signatures"
MOST_USER_AGENTS = 4096
"""Of how many different user agents it is remembered whom they claim to be."""

# Said by the request or by proxies on its way, not by the kind of client.
_NOT_OF_THE_CLIENT = frozenset(
    {b"host", b"authorization", b"content-length", b"transfer-encoding", b"cookie", b"referer", b"origin", b"via"}
    | {b"forwarded", b"x-real-ip", b"x-request-id", b"x-stainless-retry-count", b"x-stainless-read-timeout"}
    | {b"traceparent", b"tracestate", b"idempotency-key", b"x-idempotency-key"}
)
_PROXY_PREFIXES = (b"x-forwarded-", b"cf-", b"x-amzn-", b"x-envoy-", b"x-b3-")

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([-.][a-z0-9]+)*$", max_length=60)]
_Header = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=60)]
_Regex = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Field = Annotated[str, StringConstraints(min_length=1, max_length=60)]
_Regexes = Annotated[dict[_Header, _Regex], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recorded(_Strict):
    """Where a signature comes from."""

    on: date
    client: Annotated[str, StringConstraints(min_length=1)]


class Headers(_Strict):
    """What a release's requests look like.

    Args:
        order: those of them that a request has must stand in this order; headers not listed may stand anywhere.
        values: expressions that the header's value must match, where the request has it.
    """

    order: tuple[_Header, ...] = ()
    required: tuple[_Header, ...] = ()
    forbidden: tuple[_Header, ...] = ()
    values: dict[_Header, _Regex] = Field(default_factory=dict)


class Body(_Strict):
    """The top-level fields of JSON bodies to *paths*; the paths not listed are not looked at."""

    paths: Annotated[tuple[_Field, ...], Field(min_length=1)]
    required: tuple[_Field, ...] = ()
    forbidden: tuple[_Field, ...] = ()
    allowed: tuple[_Field, ...] | None = None


class Signature(_Strict):
    """One file: one release of one client.

    Args:
        client: all releases of one client share this word.
        claims: whoever's headers match these says that it is the client, of whatever release.
        release: whoever's headers match these too says that it is this one.
    """

    id: _Id
    title: Annotated[str, StringConstraints(min_length=1)]
    client: _Id
    claims: _Regexes
    release: _Regexes
    recorded: Recorded
    headers: Headers
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a request was taken for.

    Args:
        client: id of the signature that it fits, or, where spoofed, of the one that it claims and comes nearest to.
        reason: for people; names headers and fields of the signature, never a value of the request.
        fingerprint: equal for requests whose headers have the same order and user agent, known client or not.
    """

    client: str | None
    known: ClientKnown
    reason: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A signature as lookups."""

    id: str
    client: str
    ranks: Mapping[bytes, int]
    required: tuple[bytes, ...]
    forbidden: frozenset[bytes]
    values: Mapping[bytes, re2._Regexp]
    body: Body | None


class Signatures:
    """Every signature we know; safe to share between threads."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        compiled = [_compile(one) for one in signatures]
        claims = [(_matchers(one.claims), _matchers(one.release)) for one in signatures]
        self._claim_headers = tuple(sorted({name for pair in claims for part in pair for name, _ in part}))

        def claimed(values: tuple[bytes | None, ...]) -> tuple[str | None, tuple[_Compiled, ...]]:
            said = dict(zip(self._claim_headers, values, strict=True))
            claiming = [
                (one, release)
                for one, (client, release) in zip(compiled, claims, strict=True)
                if _all_match(client, said)
            ]
            if not claiming:
                return None, ()
            # The more particular claim counts: a web page's client is also a browser.
            client = max(claiming, key=lambda pair: len(pair[1]))[0].client
            return client, tuple(one for one, release in claiming if one.client == client and _all_match(release, said))

        self._claimed = lru_cache(MOST_USER_AGENTS)(claimed)

    def recognise(self, headers: Sequence[tuple[bytes, bytes]], body_fields: Collection[str], path: str) -> Recognition:
        """What a request looks like.

        Args:
            headers: as ASGI gives them, names in lower case, in the order they came.
            body_fields: the names of the body's top-level fields; empty where it has no JSON body.
        """
        first: dict[bytes, bytes] = {}
        for name, value in headers:
            first.setdefault(name, value)
        fingerprint = _fingerprint(first)
        client, candidates = self._claimed(tuple(first.get(name) for name in self._claim_headers))
        if client is None:
            said = "no user agent" if b"user-agent" not in first else "claims no client that is known here"
            return Recognition(None, ClientKnown.UNKNOWN, said, fingerprint)
        if not candidates:
            return Recognition(
                None, ClientKnown.UNKNOWN, f"claims {client}, of a release that is not known here", fingerprint
            )
        nearest: tuple[int, str, str] | None = None
        for one in candidates:
            difference = _difference(one, first, body_fields, path)
            if difference is None:
                return Recognition(one.id, ClientKnown.KNOWN, f"fits {one.id}", fingerprint)
            if nearest is None or difference[0] > nearest[0]:
                nearest = (*difference, one.id)
        assert nearest is not None
        _, reason, claimed = nearest
        return Recognition(claimed, ClientKnown.SPOOFED, f"claims {claimed}; {reason}", fingerprint)


def _difference(
    one: _Compiled, first: Mapping[bytes, bytes], body_fields: Collection[str], path: str
) -> tuple[int, str] | None:
    """The first thing that does not fit, and how far it had fitted until there."""
    highest, before = -1, b""
    for name, value in first.items():
        if name in one.forbidden:
            return 0, f"header that it does not send: {name.decode()}"
        rank = one.ranks.get(name)
        if rank is not None:
            if rank < highest:
                return 2 + rank, f"header order: {before.decode()} before {name.decode()}"
            highest, before = rank, name
        regex = one.values.get(name)
        if regex is not None and regex.search(value) is None:
            return 1, f"header value: {name.decode()}"
    for name in one.required:
        if name not in first:
            return 1, f"header missing: {name.decode()}"
    body = one.body
    if body is not None and path in body.paths:
        for wanted in body.required:
            if wanted not in body_fields:
                return 1000, f"body field missing: {wanted}"
        for field in body.forbidden:
            if field in body_fields:
                return 1000, f"body field that it does not send: {field}"
        if body.allowed is not None and any(field not in body.allowed for field in body_fields):
            return 1000, "a body field that it does not send"
    return None


def _fingerprint(first: Mapping[bytes, bytes]) -> str:
    names = [name for name in first if name not in _NOT_OF_THE_CLIENT and not name.startswith(_PROXY_PREFIXES)]
    return hashlib.blake2b(
        b"\n".join((*names, first.get(b"user-agent", b""))), digest_size=8, person=b"client"
    ).hexdigest()


def load_signatures(folder: Path = SHIPPED) -> Signatures:
    """Every `*.yaml` of *folder*.

    Raises: SettingError where the folder has none; FileError for the first file that is refused.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise SettingError(f"{folder}: has no signature, expected files named *.yaml")
    return Signatures([load_signature(path) for path in paths])


def load_signature(path: Path) -> Signature:
    """The signature in the file at *path*.

    Raises: FileError listing every problem as `file:line:column: message`.
    """
    name = path.name.removesuffix(".yaml")
    return load(path, Signature, lambda whole: _problems(whole, name))


def _problems(whole: Signature, name: str) -> Iterator[tuple[Location, str]]:
    if whole.id != name:
        yield ("id",), f"id is '{whole.id}', expected the file's name '{name}'"
    parts: tuple[tuple[Location, Mapping[str, str]], ...] = (
        (("claims",), whole.claims),
        (("release",), whole.release),
        (("headers", "values"), whole.headers.values),
    )
    for place, regexes in parts:
        for header, regex in regexes.items():
            try:
                re2.compile(regex, _options())
            except re2.error as error:
                reason = error.args[0]
                text = reason.decode() if isinstance(reason, bytes) else reason
                yield (*place, header), f"RE2 cannot compile it: {text}"
    headers = whole.headers
    for index, header in enumerate(headers.order):
        if header in headers.order[:index]:
            yield ("headers", "order", index), f"'{header}' stands twice in the order"
    for index, header in enumerate(headers.forbidden):
        if header in headers.order or header in headers.required:
            yield ("headers", "forbidden", index), f"'{header}' is forbidden here and expected above"


def _compile(one: Signature) -> _Compiled:
    headers = one.headers
    return _Compiled(
        id=one.id,
        client=one.client,
        ranks={name.encode(): rank for rank, name in enumerate(headers.order)},
        required=tuple(name.encode() for name in headers.required),
        forbidden=frozenset(name.encode() for name in headers.forbidden),
        values=dict(_matchers(headers.values)),
        body=one.body,
    )


def _matchers(regexes: Mapping[str, str]) -> tuple[tuple[bytes, re2._Regexp], ...]:
    return tuple((name.encode(), re2.compile(regex, _options())) for name, regex in regexes.items())


def _all_match(matchers: tuple[tuple[bytes, re2._Regexp], ...], said: Mapping[bytes, bytes | None]) -> bool:
    return all((value := said[name]) is not None and regex.search(value) is not None for name, regex in matchers)


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options
