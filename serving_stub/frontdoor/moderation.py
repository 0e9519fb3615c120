"""Scores from a moderation endpoint: OpenAI's `/v1/moderations` and whatever answers in its shape.

It is called from the task that builds the request event, never from the request: a slow or broken endpoint costs scores
and nothing else. What is too much at once is dropped and counted. The endpoint gets the prompt's text, so it is off
unless an operator names one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Protocol

import httpx
from pydantic import BaseModel, Field, ValidationError

from serving_stub.frontdoor.circuit_breaker import CircuitBreaker
from serving_stub.frontdoor.classifier import CATEGORIES

MOST_CHARS = 16_384
MOST_ANSWER_BYTES = 65_536

# Source: OpenAI's moderation guide, the categories of omni-moderation-latest. Plain harassment has no counterpart.
OF_OPENAI: Mapping[str, str] = {
    "harassment/threatening": "violent_crimes",
    "hate": "hate",
    "hate/threatening": "hate",
    "illicit": "non_violent_crimes",
    "illicit/violent": "violent_crimes",
    "self-harm": "suicide_self_harm",
    "self-harm/intent": "suicide_self_harm",
    "self-harm/instructions": "suicide_self_harm",
    "sexual": "sexual_content",
    "sexual/minors": "child_sexual_exploitation",
    "violence": "violent_crimes",
    "violence/graphic": "violent_crimes",
}
# Source: Llama Guard 3's model card. AILuminate counts elections (S13) under specialized advice; S14 is code abuse.
OF_LLAMA_GUARD: Mapping[str, str] = {
    "S1": "violent_crimes",
    "S2": "non_violent_crimes",
    "S3": "sex_related_crimes",
    "S4": "child_sexual_exploitation",
    "S5": "defamation",
    "S6": "specialized_advice",
    "S7": "privacy",
    "S8": "intellectual_property",
    "S9": "indiscriminate_weapons",
    "S10": "hate",
    "S11": "suicide_self_harm",
    "S12": "sexual_content",
    "S13": "specialized_advice",
    "S14": "non_violent_crimes",
}
_OUR_NAME: Mapping[str, str] = {**OF_OPENAI, **OF_LLAMA_GUARD, **{name: name for name in CATEGORIES}}

_Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Outcome(StrEnum):
    """What became of one text."""

    SCORED = "scored"
    DROPPED = "dropped"
    CIRCUIT_OPEN = "circuit_open"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    RUBBISH = "rubbish"


class LateClassifier(Protocol):
    """A classifier that has to wait for its answer; None where it has none to give."""

    async def score(self, text: str) -> Mapping[str, float] | None: ...


class _Result(BaseModel):
    category_scores: Annotated[dict[str, _Score], Field(max_length=200)]


class _Answer(BaseModel):
    results: Annotated[list[_Result], Field(min_length=1)]


class ModerationEndpoint:
    """One endpoint, on one event loop.

    Args:
        http: with the base URL, its key in the headers, and no retries of its own.
        timeout_s: for the whole call, connection and answer.
        most_in_flight: calls at once; a text past that is dropped.
        monotonic: seconds; only differences mean anything.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        path: str = "/v1/moderations",
        model: str | None = None,
        timeout_s: float = 2.0,
        most_in_flight: int = 8,
        breaker: CircuitBreaker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._path = path
        self._model = {} if model is None else {"model": model}
        self._timeout_s = timeout_s
        self._free = most_in_flight
        self._breaker = breaker or CircuitBreaker()
        self._monotonic = monotonic
        self.outcomes: Counter[Outcome] = Counter()

    async def score(self, text: str) -> Mapping[str, float] | None:
        """Scores by category; None where there are none, whose reason is counted in `outcomes`."""
        if self._free == 0:
            self.outcomes[Outcome.DROPPED] += 1
            return None
        if not self._breaker.allows(self._monotonic()):
            self.outcomes[Outcome.CIRCUIT_OPEN] += 1
            return None
        self._free -= 1
        try:
            scores, outcome = await self._ask(text[-MOST_CHARS:])
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        finally:
            self._free += 1
        self.outcomes[outcome] += 1
        if outcome is Outcome.SCORED:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._monotonic())
        return scores

    async def _ask(self, text: str) -> tuple[Mapping[str, float] | None, Outcome]:
        # JSON may carry half a character, which no request may.
        sound = text.encode("utf-8", "replace").decode("utf-8")
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream("POST", self._path, json={"input": sound, **self._model}) as response,
            ):
                if response.status_code != 200:
                    return None, Outcome.REFUSED
                content = b""
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > MOST_ANSWER_BYTES:
                        return None, Outcome.RUBBISH
        except (TimeoutError, httpx.TimeoutException):
            return None, Outcome.TIMEOUT
        except httpx.DecodingError:
            return None, Outcome.RUBBISH
        except httpx.HTTPError:
            return None, Outcome.UNREACHABLE
        try:
            answer = _Answer.model_validate_json(content)
        except ValidationError:
            return None, Outcome.RUBBISH
        return our_scores(answer.results[0].category_scores), Outcome.SCORED


def our_scores(theirs: Mapping[str, float]) -> Mapping[str, float]:
    """Scores under our category names: the highest of what maps to one; what maps to none is left out."""
    ours: dict[str, float] = {}
    for name, value in theirs.items():
        category = _OUR_NAME.get(name)
        if category is not None:
            ours[category] = max(value, ours.get(category, 0.0))
    return ours
