"""Prometheus servers that rules are asked of: one HTTP POST for a query, bounded, and told apart by what went wrong.

A server that does not answer, or only in part, says nothing about any alert: SourceError. One that understands the
query and refuses it is well, and the rule is at fault: QueryRefused.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from opsbot.errors import ConfigError, SourceError
from opsbot.promql.labelset import LabelSet
from opsbot.promql.syntax import QueryError
from opsbot.promql.vector import Element, Vector
from opsbot.source.fetch import Answer, fetch

MAX_BODY_BYTES = 8 << 20
MAX_RANGE_BYTES = 32 << 20
"""Of many instants at once."""
MAX_ELEMENTS = 10_000
MAX_CONNECTIONS = 8
REFUSALS = frozenset({"bad_data", "execution", "timeout", "canceled", "not_acceptable"})
"""The `errorType`s that are about the query, not about the server."""


class QueryRefused(QueryError):
    """The server understood the query and does not evaluate it, in its own words."""


class NoAnswer(QueryError):
    """Nothing is known of a rule, since its server was not asked or did not answer."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a Prometheus is, and how it is asked.

    Args:
        name: for people; unique among the servers.
        labels: what its alerts carry beside their own labels.
        token: sent as `Authorization: Bearer`; never shown.
        ca_file: certificates that its own is checked against, instead of the machine's.
        is_insecure: its certificate is not checked at all.
        interval_s: between two evaluations of all rules.
    """

    url: str
    name: str = "prometheus"
    labels: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    is_insecure: bool = False
    timeout_s: float = 5.0
    interval_s: float = 5.0

    @property
    def base_url(self) -> str:
        """Without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def client(self) -> httpx.AsyncClient:
        """A client for this server alone.

        Raises: ConfigError if its certificates cannot be read.
        """
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
        return httpx.AsyncClient(verify=self._tls(), trust_env=False, limits=limits)

    def check_certificates(self) -> None:
        """Raises: ConfigError if its certificates cannot be read."""
        self._tls()

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"prometheus {self.name}: ca_file {self.ca_file} cannot be used: {error}") from error
        if self.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class PrometheusServer:
    """Asks one server for vectors."""

    def __init__(self, address: ServerAddress, http: httpx.AsyncClient) -> None:
        self.address = address
        self._http = http

    async def ask(self, query: str) -> Vector:
        """The elements that *query* yields now, by the server's own clock.

        Raises: QueryRefused if it is no query for this server, SourceError if there is no whole answer.
        """
        answer = await fetch(
            self._http,
            f"{self.address.base_url}/api/v1/query",
            headers={"Accept": "application/json", **self.address.headers},
            form={"query": query},
            timeout_s=self.address.timeout_s,
            max_bytes=MAX_BODY_BYTES,
        )
        return _vector(_body(answer, self.address))

    async def ask_range(
        self, query: str, start_s: float, end_s: float, step_s: float, timeout_s: float
    ) -> list[tuple[LabelSet, list[tuple[float, float]]]]:
        """The series that *query* yields at each step, each with its (seconds since the epoch, value), oldest first.

        Raises: QueryRefused if it is no query for this server, SourceError if there is no whole answer; TooLargeError
            if it is larger than is read.
        """
        answer = await fetch(
            self._http,
            f"{self.address.base_url}/api/v1/query_range",
            headers={"Accept": "application/json", **self.address.headers},
            form={"query": query, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"},
            timeout_s=timeout_s,
            max_bytes=MAX_RANGE_BYTES,
        )
        return _matrix(_body(answer, self.address))


def _body(answer: Answer, address: ServerAddress) -> Mapping[str, Any]:
    """What a successful answer says.

    Raises: QueryRefused, SourceError.
    """
    if answer.status in (401, 403):
        hint = "its token is not accepted" if address.token else "it wants a token: name its variable as token_env"
        raise SourceError(f"{answer.status} in answer to a query: {hint}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("status") not in ("success", "error"):
        of_what = f" of {answer.media_type[:40]}" if answer.media_type else ""
        raise SourceError(
            f"{answer.status} and a body{of_what} that is not Prometheus's; is {address.base_url} its base URL?",
            retryable=True,
        )
    if found["status"] == "error":
        kind, text = str(found.get("errorType"))[:40], str(found.get("error"))[:400]
        if kind in REFUSALS:
            raise QueryRefused(f"{address.name} refuses it ({kind}): {text}")
        raise SourceError(f"{answer.status}, {kind}: {text}", retryable=True)
    if answer.status != httpx.codes.OK:
        raise SourceError(f"{answer.status} in answer to a query", retryable=True)
    # Prometheus 3 remarks on queries here too; anybody else's warning means that a part of the data is missing.
    partial = [str(text) for text in found.get("warnings") or () if not str(text).startswith("PromQL ")]
    if partial:
        raise SourceError(f"it answers only in part: {partial[0][:200]}", retryable=True)
    return found


def _vector(found: Mapping[str, Any]) -> Vector:
    try:
        data = found["data"]
        if data["resultType"] == "scalar":
            float(data["result"][1])
            return []
        if data["resultType"] != "vector":
            raise ValueError(f"a {data['resultType']}")
        elements = data["result"]
        if len(elements) > MAX_ELEMENTS:
            raise QueryRefused(f"the answer has {len(elements)} elements; {MAX_ELEMENTS} are read")
        return [Element(_labels(one["metric"]), float(one["value"][1])) for one in elements]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"the answer is no vector: {error!r}", retryable=True) from error


def _matrix(found: Mapping[str, Any]) -> list[tuple[LabelSet, list[tuple[float, float]]]]:
    try:
        data = found["data"]
        if data["resultType"] != "matrix":
            raise ValueError(f"a {data['resultType']}")
        return [
            (_labels(one["metric"]), [(float(at), float(value)) for at, value in one.get("values", ())])
            for one in data["result"]
        ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"the answer is no series over time: {error!r}", retryable=True) from error


def _labels(metric: Mapping[str, str]) -> LabelSet:
    if not all(isinstance(value, str) for value in metric.values()):
        raise ValueError("a label is no text")
    return LabelSet.of(metric)
