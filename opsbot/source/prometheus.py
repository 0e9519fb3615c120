"""Asks a Prometheus API: a real server's, or watch's own, which speaks the same.

An empty answer is not a "no". `check` tells three cases apart: the condition holds, it fails, or there is no data to
say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from opsbot.errors import SourceError
from opsbot.promql.syntax import parse, selectors

TIMEOUT_S = 2.0

Verdict = Literal["holds", "fails", "unknown"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


class PrometheusSource:
    """Queries one Prometheus API. Every method raises SourceError when it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Its default is to repeat for six seconds when nobody listens; the caller decides about repeating.
        self._api = PrometheusConnect(url=url, retry=Retry(total=0), timeout=TIMEOUT_S)
        self._api._session.trust_env = False

    async def query(self, text: str) -> tuple[Sample, ...]:
        """The elements that *text* yields now; a number is one element without labels."""
        return await asyncio.to_thread(self._query, text)

    async def value(self, text: str) -> float | None:
        """The only value that *text* yields; None if it yields none.

        Raises: SourceError if it yields several.
        """
        found = await self.query(text)
        if len(found) > 1:
            raise SourceError(f"`{text}` yields {len(found)} values where one is needed; aggregate it")
        return found[0].value if found else None

    async def check(self, text: str) -> Verdict:
        """Whether the condition *text* holds: it yields something, and no `bool` comparison in it yields 0."""
        if not await self._has_data(text):
            return "unknown"
        found = await self.query(text)
        return "holds" if found and all(sample.value != 0 or not _is_boolean(text) for sample in found) else "fails"

    async def _has_data(self, text: str) -> bool:
        for selector in selectors(parse(text)):
            if not await self.query(selector.prettify()):
                return False
        return True

    def _query(self, text: str) -> tuple[Sample, ...]:
        try:
            found: Any = self._api.custom_query(text)
        except PrometheusApiClientException as error:
            raise SourceError(f"{self._url} refused `{text}`: {error}") from error
        except requests.RequestException as error:
            raise SourceError(
                f"the metrics source {self._url} does not answer: {type(error).__name__}", retryable=True
            ) from error
        if found and not isinstance(found[0], dict):
            return (Sample({}, float(found[1])),)
        return tuple(Sample(element["metric"], float(element["value"][1])) for element in found)


def _is_boolean(text: str) -> bool:
    modifier = getattr(parse(text), "modifier", None)
    return bool(getattr(modifier, "return_bool", False))
