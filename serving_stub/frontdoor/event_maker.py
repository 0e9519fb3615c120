"""Request events are made here, after the answer: what is known of the request, and what its prompt looks like.

Features cost a third of a millisecond, so they are made one request at a time between other work, on the event loop: a
thread of Python would hold up everybody's tokens for longer. Drafts that wait are bounded by their bytes; past that an
event has no features, and that is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serving_stub.frontdoor.account_feed import AccountFeed
from serving_stub.frontdoor.asked import Endpoint, max_tokens_of, prompt_text_of, system_text_of
from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.classifier import Classifier
from serving_stub.frontdoor.conversation import conversation_of, safety_identifier_of
from serving_stub.frontdoor.enrich import Origin
from serving_stub.frontdoor.event import EventText, Fallback, RequestEvent, new_event_id
from serving_stub.frontdoor.fallback import Applied
from serving_stub.frontdoor.features import Features, Screening, describe
from serving_stub.frontdoor.keyed_hash import Hasher, Keyring, Kind
from serving_stub.frontdoor.moderation import LateClassifier
from serving_stub.frontdoor.refused import is_refusal
from serving_stub.frontdoor.request_log import RequestLog
from serving_stub.frontdoor.served import Served

_LOG = logging.getLogger(__name__)
MOST_WAITING_BYTES = 16 << 20
_LONG_PROMPT = 8_192
"""Characters; a longer prompt's features are made on a thread after all."""


@dataclass(slots=True)
class Draft:
    """One request as the door met and answered it.

    Args:
        asked: its body, read; empty where it could not be.
        endpoint: whether it is a chat or a text to continue; None for anything else.
        name: of the route, for the log.
        key: the API key that nobody knows, to be hashed; None where the caller has one that is known.
        created_at: of the account as the tenants file has it.
    """

    at: float
    name: str
    caller: Caller
    origin: Origin
    fingerprint: str
    served: Served
    latency_s: float
    ttft_s: float | None
    endpoint: Endpoint | None = None
    body: bytes = b""
    asked: Mapping[str, Any] | None = None
    conversation: str | None = None
    screening: Screening | None = None
    key: str | None = None
    created_at: float | None = None
    reason: str | None = None
    fallback: Applied | None = None


class EventMaker:
    """Makes the events of one server and gives them to its log.

    Args:
        moderation: scores that take a while; they go before the classifier's.
        with_text: whether prompts and answers are written too.
    """

    def __init__(
        self,
        log: RequestLog,
        keyring: Keyring,
        accounts: AccountFeed,
        *,
        classifier: Classifier | None,
        moderation: LateClassifier | None = None,
        cluster: str | None = None,
        with_text: bool = False,
    ) -> None:
        self._log = log
        self._keyring = keyring
        self._accounts = accounts
        self._classifier = classifier
        self._moderation = moderation
        self._cluster = cluster
        self._with_text = with_text
        self._waiting: deque[Draft] = deque()
        self._num_bytes = 0
        self._has_any = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()
        self.num_without_features = 0

    def take(self, draft: Draft) -> None:
        """Keep what is needed until it is made into an event."""
        if draft.body and self._num_bytes + len(draft.body) > MOST_WAITING_BYTES:
            draft.body, draft.asked = b"", None
            self.num_without_features += 1
        self._num_bytes += len(draft.body)
        self._waiting.append(draft)
        self._has_any.set()

    async def run(self) -> None:
        """Make events, until cancelled."""
        while True:
            await self._has_any.wait()
            while self._waiting:
                await self._make(self._next())
                await asyncio.sleep(0)
            self._has_any.clear()

    async def close(self) -> None:
        """Make what there is; call it when `run` is over."""
        while self._waiting:
            await self._make(self._next())
        await asyncio.gather(*self._late, return_exceptions=True)

    def _next(self) -> Draft:
        draft = self._waiting.popleft()
        self._num_bytes -= len(draft.body)
        return draft

    async def _make(self, draft: Draft) -> None:
        try:
            await self._describe(draft)
        except Exception as error:  # one odd request must not end the log
            _LOG.error("no event could be made of a request: %s", type(error).__name__)

    async def _describe(self, draft: Draft) -> None:
        hasher = self._keyring.at(draft.at)
        asked = draft.asked
        if asked is None or draft.endpoint is None:
            self._log.put(self._event(draft, hasher, None, {}))
            return
        prompt = prompt_text_of(asked, draft.endpoint)
        system = system_text_of(asked) if draft.endpoint == "chat" else None
        screening = draft.screening or Screening()

        def described() -> Features:
            return describe(prompt, system or None, draft.body, screening, hasher, self._classifier)

        features = described() if len(prompt) <= _LONG_PROMPT else await asyncio.to_thread(described)
        if self._moderation is None:
            self._log.put(self._event(draft, hasher, features, features.scores))
            return
        task = asyncio.create_task(self._moderated(self._moderation, prompt, draft, hasher, features))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _moderated(
        self, moderation: LateClassifier, prompt: str, draft: Draft, hasher: Hasher, features: Features
    ) -> None:
        scores = await moderation.score(prompt)
        self._log.put(self._event(draft, hasher, features, {**features.scores, **(scores or {})}))

    def _event(
        self, draft: Draft, hasher: Hasher, features: Features | None, scores: Mapping[str, float]
    ) -> RequestEvent:
        caller, origin, served = draft.caller, draft.origin, draft.served
        asked = draft.asked or {}
        account = self._accounts.get(caller.tenant, caller.account)
        if account is not None:
            account_age: float | None = account.age_s(draft.at)
        else:
            account_age = None if draft.created_at is None else max(0.0, draft.at - draft.created_at)
        keyed = _keyed(hasher)
        end_user = safety_identifier_of(asked)
        owner = caller.account or caller.key or caller.tenant
        max_tokens = max_tokens_of(asked)
        return RequestEvent(
            event_id=new_event_id(draft.at),
            ts=draft.at,
            endpoint=draft.name,
            status=served.status or 500,
            org=caller.tenant,
            account=caller.account,
            key_hash=caller.key if draft.key is None else hasher(Kind.KEY, draft.key),
            service_class=caller.service_class,
            cluster=self._cluster,
            model=caller.model,
            ip_prefix=origin.network,
            asn=origin.asn,
            asn_type=origin.kind,
            country=origin.country,
            client_fp=caller.client or draft.fingerprint,
            client_known=caller.client_known,
            conversation=(
                conversation_of(asked, draft.conversation, owner, keyed) if draft.endpoint == "chat" else None
            ),
            system_prompt_hash=None if features is None else features.system_prompt_hash,
            request_hash=None if features is None else features.request_hash,
            simhash=None if features is None else features.simhash_hex,
            prompt_tokens=served.prompt_tokens,
            cached_tokens=served.cached_tokens,
            completion_tokens=served.completion_tokens,
            max_tokens=max_tokens,
            is_stream=asked.get("stream") is True,
            finish_reason=served.finish_reason,
            error_code=served.error_code,
            door_reason=draft.reason,
            refused=is_refusal(served.said, served.finish_reason) if served.status == 200 else None,
            moderation=scores,
            pattern_hits=() if features is None else features.pattern_hits,
            crisis=features is not None and features.is_crisis,
            safety_identifier=None if end_user is None else hasher(Kind.END_USER, end_user),
            account_age=account_age,
            signup=None if account is None else account.signup,
            billable=draft.fallback is None and draft.reason is None,
            fallback=None if draft.fallback is None else Fallback(draft.fallback.mode, draft.fallback.prompt_id),
            ttft_s=draft.ttft_s,
            latency_s=draft.latency_s,
            text=self._text(draft, asked),
        )

    def _text(self, draft: Draft, asked: Mapping[str, Any]) -> EventText | None:
        if not self._with_text or draft.endpoint is None or not asked:
            return None
        return EventText(prompt_text_of(asked, draft.endpoint), draft.served.said or None)


def _keyed(hasher: Hasher) -> Callable[[str], str]:
    def keyed(text: str) -> str:
        return hasher(Kind.CONVERSATION, text)

    return keyed
