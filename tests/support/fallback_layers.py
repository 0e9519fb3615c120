"""Fallback prompts and layers for tests."""

from __future__ import annotations

from datetime import date
from typing import Any

from serving_stub.frontdoor.caller import ClientKnown
from serving_stub.frontdoor.fallback import Chosen, FallbackValue
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.prompt_library import FallbackPrompt
from serving_stub.frontdoor.selector import Selector

COHORT = Selector(client_known=(ClientKnown.UNKNOWN,))


def prompt(prompt_id: str = "cat", mode: str = "persona", **fields: Any) -> FallbackPrompt:
    """A small prompt file; *fields* replace its parts."""
    model = {
        "system": "You are a cat.",
        "question_prefix": "Cat! ",
        "examples": [{"user": "Cat! One?", "assistant": "Meow one."}, {"user": "Cat! Two?", "assistant": "Meow two."}],
        "refusal_text": "Meow, no.",
        "probes": [{"ask": "Three?", "expect_regex": "Meow"}],
    }
    notice = {"notice": {"text": "Access is limited.", "appeal_url": "https://example.com/appeal"}}
    head = {"id": prompt_id, "title": "A test's", "owner": "tests", "mode": mode}
    reviewed = {"reviewed": {"by_role": "tester", "on": date(2026, 9, 1)}}
    return FallbackPrompt.model_validate(head | reviewed | (notice if mode == "notice" else model) | fields)


def value(of: FallbackPrompt, **fields: object) -> FallbackValue:
    """What pins *of* for a cohort."""
    pinned = {"selector": COHORT, "mode": of.mode, "prompt": of.id, "prompt_sha256": of.sha256}
    return FallbackValue.model_validate(pinned | fields)


def layer(of: FallbackPrompt, strength: float = 1.0, **fields: object) -> Layer[FallbackValue]:
    """One lease in force."""
    return Layer(value(of, **fields), strength, "l-1")


def chosen(of: FallbackPrompt, **fields: object) -> Chosen:
    """What `decide` answers for a caller of the cohort."""
    return Chosen(value(of, **fields), of)
