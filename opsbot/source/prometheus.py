"""Asks a Prometheus API: a real server's, or watch's own, which speaks the same.

What an empty answer means is told apart in `opsbot.promql.condition`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from opsbot.errors import SourceError
from opsbot.promql.condition import Asking
from opsbot.promql.condition import Sample as Sample
from opsbot.promql.condition import Verdict as Verdict
from opsbot.source.servers import QueryRefused, ServerAddress

TIMEOUT_S = 2.0
RANGE_TIMEOUT_S = 30.0
"""A range is many queries in one."""

_QUERY_FAULT = re.compile(r"HTTP Status Code (?:400|422)")
_SERVER_FAULT = re.compile(r"HTTP Status Code (?:5\d\d|429)")


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """One series of a range's answer: (seconds since the epoch, value), oldest first; steps without a value are left
    out.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class PrometheusSource(Asking):
    """Queries one Prometheus API. Every method raises SourceError when it does not answer."""

    def __init__(self, server: str | ServerAddress) -> None:
        """Args: server: where it is, or its base URL if it wants no token and no certificates of its own."""
        address = server if isinstance(server, ServerAddress) else ServerAddress(server, timeout_s=TIMEOUT_S)
        self._url = address.base_url
        # Its default is to repeat for six seconds when nobody listens; the caller decides about repeating.
        self._api = PrometheusConnect(
            url=self._url,
            headers=dict(address.headers),
            disable_ssl=address.is_insecure,
            retry=Retry(total=0),
            timeout=address.timeout_s,
        )
        self._api._session.trust_env = False
        if address.ca_file is not None and not address.is_insecure:
            self._api._session.verify = str(address.ca_file)

    def close(self) -> None:
        """End its connections."""
        self._api.close()

    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now; a number is one element without labels."""
        return await asyncio.to_thread(self._query, text)

    async def query_at(self, text: str, at_s: float) -> tuple[Sample, ...]:
        """The elements that *text* yielded at *at_s*, seconds since the epoch."""
        return await asyncio.to_thread(self._query, text, {"time": f"{at_s:.3f}"})

    async def query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> tuple[SampleSeries, ...]:
        """The series that *text* yields at each step from *start_s* to *end_s*, both whole seconds."""
        return await asyncio.to_thread(self._query_range, text, start_s, end_s, step_s)

    def _query(self, text: str, parameters: Mapping[str, str] | None = None) -> tuple[Sample, ...]:
        found = self._asked(text, lambda: self._api.custom_query(text, params=dict(parameters or {})))
        try:
            if found and not isinstance(found[0], dict):
                return (Sample({}, float(found[1])),)
            return tuple(Sample(element["metric"], float(element["value"][1])) for element in found)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SourceError(f"`{text}` yields no instant values: {error!r}") from error

    def _query_range(self, text: str, start_s: float, end_s: float, step_s: float) -> tuple[SampleSeries, ...]:
        start, end = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC)
        found = self._asked(
            text,
            lambda: self._api.custom_query_range(text, start, end, f"{step_s:g}", timeout=RANGE_TIMEOUT_S),
        )
        try:
            return tuple(
                SampleSeries(
                    element["metric"], tuple((float(at), float(value)) for at, value in element.get("values", ()))
                )
                for element in found
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"`{text}` yields no series over time: {error!r}") from error

    def _asked(self, text: str, ask: Callable[[], Any]) -> Any:
        """What *ask* answers, its errors in our words."""
        try:
            return ask()
        except PrometheusApiClientException as error:
            if _QUERY_FAULT.search(str(error)):
                raise QueryRefused(f"{self._url} refused `{text}`: {error}") from error
            is_fault = _SERVER_FAULT.search(str(error)) is not None
            raise SourceError(f"{self._url} refused `{text}`: {error}", retryable=is_fault) from error
        except requests.RequestException as error:
            raise SourceError(
                f"the metrics source {self._url} does not answer: {type(error).__name__}", retryable=True
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self._url} answers, but not as Prometheus does: {error!r}") from error
