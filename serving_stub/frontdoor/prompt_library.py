"""The library of fallback prompts: reviewed YAML files, each known by its id and by a hash of all that it says.

A lease names both, so what runs is what was reviewed and probed: an edited file is another prompt.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from serving_stub.errors import FileError, SettingError
from serving_stub.yamlfile import Location, load

SHIPPED = Path(__file__).parent / "prompts"

_FEWEST_EXAMPLES = 2
_MOST_PATTERN_BYTES = 1 << 20


class FallbackMode(StrEnum):
    """What a cohort meets instead of the model as it is, the strictest first."""

    NOTICE = "notice"
    SAFE = "safe"
    PERSONA = "persona"


@functools.lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """*text* compiled by RE2, whose time is linear in what it reads: a model's answer is untrusted.

    Raises: re2.error.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_PATTERN_BYTES
    return re2.compile(text, options)


def _compiles(text: str) -> str:
    try:
        pattern(text)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"not a regular expression of RE2: {reason}") from None
    return text


Regex = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_compiles)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\n]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Review(_Part):
    """Who let this prompt into the library, as a role, and when."""

    by_role: Line
    on: date


class Example(_Part):
    """A worked example: without some a small model ignores what it is told."""

    user: Text
    assistant: Text


class Notice(_Part):
    """What is said in place of a model's answer, and where to object."""

    text: Text
    appeal_url: Annotated[str, StringConstraints(max_length=300, pattern=r"^https?://\S+$")]

    @property
    def words(self) -> str:
        """The whole text that the caller reads."""
        return f"{self.text}\n\n{self.appeal_url}"


class Probe(_Part):
    """A question that is asked before the prompt goes live, and what its answer must be like."""

    ask: Text
    expect_regex: Regex | None = None
    forbid_regex: Regex | None = None
    max_chars: Annotated[int, Field(ge=1, le=20_000)] | None = None


class FallbackPrompt(_Part):
    """One file of the library.

    Args:
        question_prefix: put before the caller's question, as the examples have it before theirs.
        answer_prefix: how an answer begins; the door says it where the model does not.
        expect_regex, forbid_regex: what must, and must not, be in an answer; else the caller gets `refusal_text`.
        max_tokens, max_chars: where an answer is cut, the first by the engine and the second by the door.
        max_temperature: a caller's temperature is lowered to this; a small model keeps to its examples only when cool.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    title: Line
    owner: Line
    reviewed: Review
    mode: FallbackMode
    system: Text | None = None
    question_prefix: Annotated[str, StringConstraints(max_length=200)] = ""
    examples: Annotated[tuple[Example, ...], Field(max_length=16)] = ()
    answer_prefix: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    expect_regex: Regex | None = None
    forbid_regex: Regex | None = None
    refusal_text: Text | None = None
    notice: Notice | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_024)] = 64
    max_chars: Annotated[int, Field(ge=1, le=8_000)] = 400
    max_temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0
    probes: Annotated[tuple[Probe, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        problems = list(self._notice_problems() if self.mode is FallbackMode.NOTICE else self._model_problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _notice_problems(self) -> Iterable[str]:
        if self.notice is None:
            yield "mode notice needs a notice"
        asks = ("system", "examples", "answer_prefix", "expect_regex", "forbid_regex", "refusal_text", "probes")
        for name in asks:
            if getattr(self, name):
                yield f"mode notice asks no model, so {name} has no use"

    def _model_problems(self) -> Iterable[str]:
        if self.notice is not None:
            yield f"notice belongs to mode notice, not {self.mode}"
        if len(self.examples) < _FEWEST_EXAMPLES:
            yield f"mode {self.mode} needs at least {_FEWEST_EXAMPLES} examples: a small model ignores instructions"
        if not self.probes:
            yield f"mode {self.mode} needs probes: nothing goes live unasked"
        if self.refusal_text is None:
            yield f"mode {self.mode} needs a refusal_text for answers that do not fit"
        said = [("refusal_text", self.refusal_text or "")]
        said += [(f"examples.{index}.assistant", one.assistant) for index, one in enumerate(self.examples)]
        for name, text in said if self.refusal_text is not None else ():
            if not self.fits(text):
                yield f"{name} does not fit expect_regex, forbid_regex or max_chars itself"

    def fits(self, text: str) -> bool:
        """Whether *text* may be an answer."""
        return (
            bool(text.strip())
            and len(text) <= self.max_chars
            and (self.expect_regex is None or pattern(self.expect_regex).search(text) is not None)
            and (self.forbid_regex is None or pattern(self.forbid_regex).search(text) is None)
        )

    @functools.cached_property
    def sha256(self) -> str:
        """Of all that the file says, in a canonical form: comments, order and layout do not count."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        content = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


class PromptLibrary:
    """Every prompt by its id; a value.

    Raises: SettingError without a notice, which stands in for a prompt that is gone.
    """

    def __init__(self, prompts: Iterable[FallbackPrompt]) -> None:
        self.prompts: Mapping[str, FallbackPrompt] = MappingProxyType({one.id: one for one in prompts})
        notices = [one for one in self.prompts.values() if one.mode is FallbackMode.NOTICE]
        if not notices:
            raise SettingError("the library of fallback prompts has no file of mode notice, expected at least one")
        self.spare_notice = min(notices, key=lambda one: one.id)

    def pinned(self, prompt_id: str, sha256: str) -> FallbackPrompt | None:
        """The prompt of that id, if it still says what was pinned."""
        found = self.prompts.get(prompt_id)
        return found if found is not None and found.sha256 == sha256 else None


def load_library(folder: Path = SHIPPED) -> PromptLibrary:
    """Read every `*.yaml` of *folder*.

    Raises: FileError listing each problem of each file; SettingError if there is no notice.
    """
    prompts: list[FallbackPrompt] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            prompts.append(load(path, FallbackPrompt, functools.partial(_check_name, path.stem)))
        except FileError as error:
            problems += str(error).splitlines()
    if problems:
        raise FileError(problems)
    return PromptLibrary(prompts)


def _check_name(stem: str, prompt: FallbackPrompt) -> Iterable[tuple[Location, str]]:
    if prompt.id != stem:
        yield ("id",), f"id is '{prompt.id}', expected '{stem}', the file's name"
