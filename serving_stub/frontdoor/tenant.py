"""Tenants, their classes and their API keys, from one YAML file.

A key is stored as its SHA-256 alone. That is enough, and a slow salted hash would only cost every request: a key is
32 random bytes, so there is no dictionary to try and no two keys are equal. Looking the digest up in a table gives
nothing away by its time either: who probes chooses keys, and cannot choose what they hash to.

A file that changes is read again; a bad one keeps the last good one in force.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from serving_stub.errors import FileError
from serving_stub.frontdoor.limits import NO_LIMITS, Budget, Limits
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.selector import Name
from serving_stub.yamlfile import Duration, Location, load, suggest

PREFIX = "sk-"
LONGEST_KEY = 512
ANONYMOUS = "anonymous"

_MOMENT: TypeAdapter[datetime.datetime] = TypeAdapter(datetime.datetime)
_CHALLENGE = (("www-authenticate", "Bearer"),)


def _read_moment(value: object) -> float:
    """A day means its first second, UTC."""
    try:
        moment = _MOMENT.validate_python(value if isinstance(value, str) else None)
    except ValidationError:
        raise ValueError("a day or time such as 2026-01-31 or 2026-01-31T12:00:00Z is needed") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _check_digest(value: str) -> str:
    """The message leaves out what is there: it may be the key itself, put here by mistake."""
    if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError("64 digits 0-9a-f are needed, the SHA-256 of the key, and never the key itself")
    return value


Moment = Annotated[float, BeforeValidator(_read_moment)]


class ClassRow(BaseModel):
    """A service class, as written.

    Args:
        priority: smaller is better.
        queue: most requests of this class that wait at a time.
        deadline: longest time that one waits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    priority: int = Field(default=0, ge=-1000, le=1000)
    queue: int = Field(default=64, ge=0, le=100_000)
    deadline: Duration = Field(default=10.0, gt=0, le=3600)


class KeyRow(BaseModel):
    """An API key, as written; limits are its own, beside those of its tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    sha256: Annotated[str, AfterValidator(_check_digest)] = Field(repr=False)
    account: Name | None = None
    created: Moment | None = None
    expires: Moment | None = None
    limits: Limits = NO_LIMITS


class TenantRow(BaseModel):
    """Who is billed, as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: Name
    service_class: Name = Field(alias="class")
    created: Moment | None = None
    limits: Limits = NO_LIMITS
    keys: tuple[KeyRow, ...] = ()


class TenantFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[ClassRow, ...] = Field(min_length=1)
    tenants: tuple[TenantRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """How a class waits: see `ClassRow`."""

    name: str = "default"
    priority: int = 0
    queue_bound: int = 64
    deadline_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose request it is, as far as the key tells.

    Args:
        key: its public id; None where everybody is anonymous.
        created_at: of the account if known, else of the tenant; seconds since the epoch.
        budgets: what the request is charged to, the key's first.
    """

    tenant: str = ANONYMOUS
    service_class: ServiceClass = ServiceClass()
    key: str | None = None
    account: str | None = None
    created_at: float | None = None
    expires_at: float | None = None
    budgets: tuple[Budget, ...] = ()

    @property
    def identity(self) -> str | None:
        """What `Caller.identity` is where it does not come from the address."""
        if self.account is not None:
            return f"account:{self.tenant}/{self.account}"
        return None if self.key is None else f"key:{self.key}"


@dataclass(frozen=True, slots=True)
class Directory:
    """The keys in force; without any everybody is `anonymous`.

    Args:
        holders: by SHA-256 of the key; None where nobody needs a key.
    """

    classes: Mapping[str, ServiceClass]
    holders: Mapping[bytes, Holder] | None = field(repr=False)
    anonymous: Holder = Holder()

    def vouched(self, tenant: str) -> Holder:
        """Whoever our own process says it is, as a simulation does; the usual class for a tenant that no file names."""
        known = (self.holders or {}).values()
        found = next((holder for holder in known if holder.tenant == tenant), None)
        return found or replace(self.anonymous, tenant=tenant)

    def authenticate(self, authorization: str | None, now: float) -> Holder | Refusal:
        """Who sent the `Authorization` header *authorization*.

        Args:
            now: seconds since the epoch.
        """
        if self.holders is None:
            return self.anonymous
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            return _unknown(Reason.MISSING_API_KEY, "No API key was sent. Send one as 'Authorization: Bearer sk-...'.")
        holder = self.holders.get(_digest(key)) if len(key) <= LONGEST_KEY else None
        if holder is None:
            return _unknown(Reason.INVALID_API_KEY, "This API key is not known here.")
        if holder.expires_at is not None and holder.expires_at <= now:
            return _unknown(Reason.EXPIRED_API_KEY, f"The API key '{holder.key}' has expired. Ask for a new one.")
        return holder


_EVERYBODY = ServiceClass(queue_bound=256, deadline_s=30.0)
OPEN_DIRECTORY = Directory({_EVERYBODY.name: _EVERYBODY}, None, Holder(service_class=_EVERYBODY))
"""How a server without a tenants file works."""


class Tenants:
    """The directory in force, and the file that it comes from.

    Raises: FileError when the file is wrong at start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = _signature(path)
        self.directory = OPEN_DIRECTORY if path is None else read_directory(path)
        self.problems: tuple[str, ...] = ()

    def reload(self) -> tuple[str, ...]:
        """Read the file again if it has changed since it was last read.

        Returns: what is wrong with it now; then the last good one stays in force. Reads the disk; any thread may
            call it, one at a time.
        """
        if self._path is not None and (signature := _signature(self._path)) != self._seen:
            self._seen = signature
            try:
                self.directory = read_directory(self._path)
                self.problems = ()
            except FileError as error:
                self.problems = error.problems
        return self.problems


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only time that it can be read.

    Args:
        key_id: names it in files, logs and metrics; the beginning of its hash.
    """

    key: str = field(repr=False)
    key_id: str
    sha256: str


def new_key() -> NewKey:
    """Make a key of 32 random bytes."""
    key = PREFIX + secrets.token_urlsafe(32)
    sha256 = _digest(key).hex()
    return NewKey(key, f"k-{sha256[:8]}", sha256)


def read_directory(path: Path) -> Directory:
    """Raises: FileError."""
    content = load(path, TenantFile, _conflicts)
    classes = {
        row.name: ServiceClass(row.name, row.priority, queue_bound=row.queue, deadline_s=row.deadline)
        for row in content.classes
    }
    holders = {
        bytes.fromhex(key.sha256): Holder(
            tenant=tenant.id,
            service_class=classes[tenant.service_class],
            key=key.id,
            account=key.account,
            created_at=tenant.created if key.created is None else key.created,
            expires_at=key.expires,
            budgets=tuple(
                Budget.of(name, limits)
                for name, limits in ((f"key/{key.id}", key.limits), (f"tenant/{tenant.id}", tenant.limits))
                if limits != NO_LIMITS
            ),
        )
        for tenant in content.tenants
        for key in tenant.keys
    }
    return Directory(classes, holders)


def _conflicts(content: TenantFile) -> Iterator[tuple[Location, str]]:
    classes = [row.name for row in content.classes]
    seen: set[tuple[str, str]] = set()

    def repeated(kind: str, value: str) -> bool:
        known = (kind, value) in seen
        seen.add((kind, value))
        return known

    for number, name in enumerate(classes):
        if repeated("class", name):
            yield ("classes", number, "name"), f"name: there is a class {name!r} already"
    for number, tenant in enumerate(content.tenants):
        if repeated("tenant", tenant.id):
            yield ("tenants", number, "id"), f"id: there is a tenant {tenant.id!r} already"
        if tenant.service_class not in classes:
            near = suggest(tenant.service_class, classes)
            yield ("tenants", number, "class"), f"class: no class {tenant.service_class!r} is defined{near}"
        for place, key in enumerate(tenant.keys):
            if repeated("key", key.id):
                yield ("tenants", number, "keys", place, "id"), f"id: there is a key {key.id!r} already"
            if repeated("sha256", key.sha256):
                yield ("tenants", number, "keys", place, "sha256"), "sha256: this key is in the file already"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _signature(path: Path | None) -> tuple[int, int, int] | None:
    """Tells one content of the file from another; None where there is none."""
    try:
        status = None if path is None else os.stat(path)
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)


def _unknown(reason: Reason, message: str) -> Refusal:
    return Refusal(401, reason.value, message, reason, headers=_CHALLENGE)
