"""Targets from files and from HTTP, in Prometheus's forms `file_sd` and `http_sd`, looked at again and again.

A list is taken as a whole or not at all: what is wrong keeps the last good one in force and is said once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.source.fetch import fetch, refusal
from opsbot.source.health import SourceHealth
from opsbot.source.scrape import Target
from opsbot.yamlfile import MAX_FILE_BYTES, loads

TIMEOUT_S = 5.0
MAX_BODY_BYTES = 4 << 20
MAX_TARGETS = 1_000
"""Of one list; watch scrapes each of them every second."""
DEFAULT_PATH = "/metrics"

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

logger = logging.getLogger(__name__)


class GroupWire(BaseModel):
    """Some targets with the same labels."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    targets: list[str]
    labels: dict[str, str] = {}


_GROUPS = TypeAdapter(list[GroupWire])


class Discovery(Protocol):
    """A list of targets that changes."""

    kind: str
    name: str
    health: SourceHealth
    targets: Sequence[Target]

    async def refresh(self) -> None:
        """Look again; never raises: what went wrong is in `health`, and `targets` are the last good ones."""
        ...


class TargetsFile:
    """A file of targets, JSON or YAML."""

    kind = "targets_file"

    def __init__(self, path: Path, clock: Clock) -> None:
        self.name = str(path)
        self.health = SourceHealth()
        self.targets: Sequence[Target] = ()
        self._path = path
        self._clock = clock
        self._seen: object = None

    async def refresh(self) -> None:
        """Read the file if it is another one than before."""
        self.health.num_asked += 1
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                if self.health.failing_since is not None:
                    self.health.num_failures += 1
                return
            self._seen = seen
            targets = await asyncio.to_thread(read_targets, self._path)
        except OSError as error:
            self._seen = None
            _failed(self, f"{self.name}: cannot be read: {error.strerror}", self._clock.now())
        except SourceError as error:
            _failed(self, str(error), self._clock.now())
        else:
            _worked(self, targets)


class TargetsUrl:
    """An HTTP address that answers with targets."""

    kind = "targets_url"

    def __init__(self, url: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self.name = url
        self.health = SourceHealth()
        self.targets: Sequence[Target] = ()
        self._http = http
        self._clock = clock

    async def refresh(self) -> None:
        """Ask again."""
        self.health.num_asked += 1
        try:
            answer = await fetch(
                self._http,
                self.name,
                headers={"Accept": "application/json"},
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_BODY_BYTES,
            )
            refused = refusal(answer, f"GET {self.name}")
            if refused:
                raise SourceError(refused)
            targets = _parsed(_json(answer.body, self.name), self.name)
        except SourceError as error:
            text = str(error)
            _failed(self, text if self.name in text else f"{self.name}: {text}", self._clock.now())
        else:
            _worked(self, targets)


def read_targets(path: Path) -> Sequence[Target]:
    """The targets that a file lists.

    Raises: SourceError with what is wrong with it; OSError if it cannot be read.
    """
    return _parsed(_read(path), str(path))


def _worked(one: TargetsFile | TargetsUrl, targets: Sequence[Target]) -> None:
    if one.health.worked():
        logger.info("the list of targets %s is good again", one.name)
    if targets != one.targets:
        logger.info("%d targets in %s", len(targets), one.name)
    one.targets = targets


def _failed(one: TargetsFile | TargetsUrl, why: str, now: float) -> None:
    if one.health.failed(why, now):
        logger.error("targets not taken, the last %d stay in force: %s", len(one.targets), why)


def _read(path: Path) -> object:
    """The data in the file.

    Raises: SourceError, OSError.
    """
    with path.open("rb") as file:
        body = file.read(MAX_FILE_BYTES + 1)
    if len(body) > MAX_FILE_BYTES:
        raise SourceError(f"{path}:1:1: the file is larger than {MAX_FILE_BYTES} bytes")
    if path.suffix == ".json":
        return _json(body, str(path))
    try:
        document, problems = loads(body.decode(), str(path))
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}:1:1: is not UTF-8 text (byte {error.start})") from error
    if document is None or problems:
        raise SourceError(str(problems[0]))
    return document.data


def _json(body: bytes, name: str) -> object:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: not JSON") from error


def _parsed(data: object, name: str) -> Sequence[Target]:
    """The targets that *data* lists.

    Raises: SourceError with the first problem.
    """
    try:
        groups = _GROUPS.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        message = first["msg"]
        raise SourceError(
            f"{name}: {where}: {message[:1].lower()}{message[1:]}; "
            "a list such as [{targets: ['10.0.0.1:8000'], labels: {cluster: a}}] is wanted"
        ) from error
    found: list[Target] = []
    for index, group in enumerate(groups):
        try:
            found += [_target(address, group.labels) for address in group.targets]
        except ValueError as error:
            raise SourceError(f"{name}: group {index + 1}: {error}") from error
    if len(found) > MAX_TARGETS:
        raise SourceError(f"{name}: {len(found)} targets are more than {MAX_TARGETS}; share them among several watches")
    return found


def _target(address: str, labels: Mapping[str, str]) -> Target:
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{address[:80]!r} is no target; host:port is wanted, the path as the label __metrics_path__")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{label[:80]!r} is no label name")
        if label.startswith("__param_"):
            raise ValueError(f"the label {label[:80]!r} is not supported: a target has no parameters")
    if not labels.get("cluster"):
        raise ValueError(f"{address} has no label 'cluster', by which rules and runbooks go")
    scheme, path = labels.get("__scheme__", "http"), labels.get("__metrics_path__", DEFAULT_PATH)
    if scheme not in ("http", "https"):
        raise ValueError(f"__scheme__ is {scheme[:80]!r}; http or https is wanted")
    if not path.startswith("/"):
        raise ValueError(f"__metrics_path__ is {path[:80]!r}; it begins with a slash")
    # Labels of two underscores are for the scraper alone, as in Prometheus; an empty label is none.
    added = {name: value for name, value in labels.items() if value and name != "cluster" and name[:2] != "__"}
    return Target(f"{scheme}://{address}{quote(path, safe='/%:@!$&()*+,;=~')}", labels["cluster"], added=added)
