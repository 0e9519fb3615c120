"""Fallback prompts: a cohort gets a notice, a plain short answer, or the cat, instead of the model as it is.

Pure decisions: which layer concerns a caller, whether a lease may be granted at all, and what the engine is asked in
place of the caller's request. Messages marked as crisis are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from serving_stub.errors import InvalidValue
from serving_stub.frontdoor.asked import Endpoint, prompt_text_of
from serving_stub.frontdoor.caller import Caller, ClientKnown
from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.prompt_library import FallbackMode, FallbackPrompt, PromptLibrary
from serving_stub.frontdoor.selector import Selector
from serving_stub.frontdoor.share import place_of

MOST_QUESTION_CHARACTERS = 1_000
NO_QUESTION = "Hello"
"""Asked where the caller's own words cannot be read: token ids, pictures, an empty text."""

_SALT = 0xFA12
_STRICTEST_FIRST = tuple(FallbackMode)
_UNOFFICIAL = {ClientKnown.UNKNOWN, ClientKnown.SPOOFED}
_KEPT = (
    "model",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "seed",
    "user",
    "safety_identifier",
    "priority",
    "deadline_s",
)
_DEFAULT_TEMPERATURE = 1.0  # OpenAI's default
_CONTROL = re.compile(r"<[^\s<>]{1,60}>|\[/?[A-Z_]{1,30}\]")
"""What models read as the edge of a turn, such as `<|im_end|>` or `[/INST]`."""


class FallbackValue(BaseModel):
    """The knob `fallback_prompt`.

    Args:
        selector: the cohort; never everybody, and by what it does rather than by its country.
        prompt, prompt_sha256: a file of the library and what it said when it was reviewed.
        max_tokens: lower than the file's, where wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Selector
    mode: FallbackMode
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    prompt_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    max_tokens: Annotated[int, Field(ge=1, le=1_024)] | None = None

    @model_validator(mode="after")
    def _is_for_a_cohort(self) -> Self:
        if self.selector.is_everybody:
            raise ValueError("selector is empty, expected a cohort: a fallback prompt is never for everybody")
        if self.selector.country is not None:
            raise ValueError(
                "selector names a country, expected key, tenant, client or network: where people are is no reason"
            )
        known = self.selector.client_known
        if self.mode is FallbackMode.PERSONA and (known is None or not set(known) <= _UNOFFICIAL):
            raise ValueError(
                "mode persona needs a selector with client_known limited to unknown and spoofed: "
                "a customer's own client never meets a persona"
            )
        return self


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to a request: for the request event and metrics, where it also means that nothing is billed."""

    mode: FallbackMode
    prompt_id: str
    prompt_sha256: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The fallback that a caller meets."""

    value: FallbackValue
    prompt: FallbackPrompt

    @property
    def applied(self) -> Applied:
        """For logs; names what the lease pinned, even when that is lost."""
        return Applied(self.prompt.mode, self.value.prompt, self.value.prompt_sha256)


def check(value: FallbackValue, library: PromptLibrary, is_probed: Callable[[str], bool]) -> None:
    """Whether a lease with *value* may be granted.

    Args:
        is_probed: whether the prompt with that hash passed its probes on the served model.
    Raises: InvalidValue saying what to do.
    """
    prompt = library.prompts.get(value.prompt)
    if prompt is None:
        known = ", ".join(sorted(library.prompts)) or "none"
        raise InvalidValue(f"fallback_prompt: prompt is '{value.prompt}', expected one of the library: {known}")
    if prompt.sha256 != value.prompt_sha256:
        raise InvalidValue(
            f"fallback_prompt: prompt_sha256 is {value.prompt_sha256[:12]}…, but '{prompt.id}' says {prompt.sha256}: "
            "it was changed since; review it, then pin what it says now"
        )
    if prompt.mode is not value.mode:
        raise InvalidValue(f"fallback_prompt: mode is {value.mode}, but '{prompt.id}' is a {prompt.mode}")
    if prompt.mode is not FallbackMode.NOTICE and not is_probed(prompt.sha256):
        raise InvalidValue(f"fallback_prompt: '{prompt.id}' has not passed its probes on this model")


def decide(
    caller: Caller, layers: Iterable[Layer[FallbackValue]], library: PromptLibrary, *, is_crisis: bool
) -> Chosen | None:
    """The fallback for *caller* of *layers* in the order of their grant; None takes the normal path.

    Of several the strictest mode wins (notice, safe, persona), then the oldest. One that ramps concerns the same
    callers at each step, only fewer. Where a pinned prompt is gone from the library, its cohort gets the library's
    notice: it stays away from the model.
    """
    if is_crisis:
        return None
    matching = [
        layer.value
        for layer in layers
        if layer.value.selector.matches(caller)
        and (layer.strength >= 1 or place_of(caller.identity, _SALT) < layer.strength)
    ]
    if not matching:
        return None
    value = min(matching, key=lambda one: _STRICTEST_FIRST.index(one.mode))
    return Chosen(value, library.pinned(value.prompt, value.prompt_sha256) or library.spare_notice)


def is_readable(body: Mapping[str, Any], endpoint: Endpoint) -> bool:
    """Whether *body* asks something; if not, the backend refuses it as it refuses everybody's."""
    if endpoint == "text":
        return isinstance(body.get("prompt"), str | list) and bool(body["prompt"])
    messages = body.get("messages")
    return isinstance(messages, list) and bool(messages) and all(isinstance(one, Mapping) for one in messages)


def rewrite(body: Mapping[str, Any], chosen: Chosen, endpoint: Endpoint) -> dict[str, Any]:
    """What the engine is asked in place of *body*.

    The caller's last question alone is kept: earlier turns, system prompts, tools and every field that could change
    the outcome are dropped, since a caller writes all of them, the assistant's turns too. So all of a cohort share
    one cached prefix. A body that is not readable keeps its faults.
    """
    prompt = chosen.prompt
    asked = {name: body[name] for name in _KEPT if name in body}
    temperature = body.get("temperature", _DEFAULT_TEMPERATURE)
    if temperature is None:
        temperature = _DEFAULT_TEMPERATURE
    if _is_number(temperature):
        asked["temperature"] = min(temperature, prompt.max_temperature)
    asked |= _limit(body, min(prompt.max_tokens, chosen.value.max_tokens or prompt.max_tokens), endpoint)
    kept = "messages" if endpoint == "chat" else "prompt"
    if not is_readable(body, endpoint):
        return asked | ({kept: body[kept]} if kept in body else {})
    question = prompt.question_prefix + question_of(body, endpoint)
    if endpoint == "chat":
        return asked | {"messages": conversation(prompt, question)}
    return asked | {"prompt": _as_text(prompt, question), "stop": ["\nQuestion:"]}


def question_of(body: Mapping[str, Any], endpoint: Endpoint) -> str:
    """The caller's last question as one line of plain text, shortened, without anything a model reads as structure."""
    text = prompt_text_of(body, endpoint)
    plain = " ".join(_CONTROL.sub(" ", text[: 4 * MOST_QUESTION_CHARACTERS]).split())
    return plain[:MOST_QUESTION_CHARACTERS] or NO_QUESTION


def conversation(prompt: FallbackPrompt, question: str) -> list[dict[str, str]]:
    """The messages of a chat: the system's, the examples, and *question*."""
    turns = [{"role": "system", "content": prompt.system}] if prompt.system is not None else []
    for example in prompt.examples:
        turns += [{"role": "user", "content": example.user}, {"role": "assistant", "content": example.assistant}]
    return [*turns, {"role": "user", "content": question}]


def _as_text(prompt: FallbackPrompt, question: str) -> str:
    parts = [prompt.system] if prompt.system is not None else []
    parts += [f"Question: {one.user}\nAnswer: {one.assistant}" for one in prompt.examples]
    return "\n\n".join([*parts, f"Question: {question}\nAnswer:"])


def _limit(body: Mapping[str, Any], most: int, endpoint: Endpoint) -> dict[str, Any]:
    """The smaller of *most* and what was asked for; a limit that is not a number stays, to be refused."""
    names = ("max_completion_tokens", "max_tokens") if endpoint == "chat" else ("max_tokens",)
    asked = {name: body[name] for name in names if body.get(name) is not None}
    if not asked:
        return {"max_tokens": most}
    return {
        name: min(value, most) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in asked.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
