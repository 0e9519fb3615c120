"""Asks the backend a question as a client would, inside this process: how fallback prompts are probed."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from starlette.types import ASGIApp

TIMEOUT_S = 120.0


class BackendAsk:
    """One backend, our own or an upstream.

    Args:
        model: as it is called there; None asks for the list of models and takes the first.
    """

    def __init__(self, backend: ASGIApp, model: str | None) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(backend), base_url="http://backend", timeout=TIMEOUT_S
        )
        self._model = model

    async def __call__(self, messages: Sequence[dict[str, str]], max_tokens: int) -> str:
        """The greedy answer to *messages*.

        Raises: httpx.HTTPError, and LookupError or TypeError for an answer that is none.
        """
        if self._model is None:
            listed = (await self._http.get("/v1/models")).raise_for_status().json()
            self._model = str(listed["data"][0]["id"])
        body = {"model": self._model, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0}
        answer = (await self._http.post("/v1/chat/completions", json=body)).raise_for_status().json()
        return str(answer["choices"][0]["message"]["content"])
