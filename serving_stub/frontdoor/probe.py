"""Probes: a fallback prompt answers its own questions on the model that is served before it goes live.

Patterns are held against what the model says by itself: the door would put every answer right, and a prompt that works
only by being corrected is not one. The length is that of the answer which a caller would get.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from serving_stub.frontdoor.fallback import conversation
from serving_stub.frontdoor.fallback_guard import Guard
from serving_stub.frontdoor.prompt_library import FallbackMode, FallbackPrompt, Probe, pattern

Ask = Callable[[Sequence[dict[str, str]], int], Awaitable[str]]
"""Messages and the most tokens → the model's greedy answer."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One question.

    Args:
        said: by the model itself.
        answer: as a caller would get it.
        problem: why it did not pass; None when it did.
    """

    ask: str
    said: str
    answer: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """All questions of one prompt on one model. A notice asks nothing and passes."""

    prompt_id: str
    prompt_sha256: str
    model: str
    results: tuple[ProbeResult, ...]

    @property
    def has_passed(self) -> bool:
        return all(one.problem is None for one in self.results)

    @property
    def problems(self) -> tuple[str, ...]:
        """For people, one each: the question and what was wrong with its answer."""
        return tuple(f"'{one.ask}': {one.problem}" for one in self.results if one.problem is not None)


async def run_probes(prompt: FallbackPrompt, ask: Ask, *, model: str) -> ProbeReport:
    """Ask all questions of *prompt* together; a question that fails is a result, not an error."""
    if prompt.mode is FallbackMode.NOTICE:
        return ProbeReport(prompt.id, prompt.sha256, model, ())
    results = await asyncio.gather(*(_probe(prompt, probe, ask) for probe in prompt.probes))
    return ProbeReport(prompt.id, prompt.sha256, model, tuple(results))


class Prober:
    """Runs probes once for each prompt and model; asked for the same twice at once, it runs them once.

    Only a pass is remembered: whoever failed may be asked again, since the engine may have been the reason.
    """

    def __init__(self, ask: Ask, model: str) -> None:
        self._ask = ask
        self._model = model
        self._passed: dict[str, ProbeReport] = {}
        self._lock = asyncio.Lock()

    async def ensure(self, prompt: FallbackPrompt) -> ProbeReport:
        """The report that counts, running the probes if need be."""
        async with self._lock:
            known = self._passed.get(prompt.sha256)
            if known is not None:
                return known
            report = await run_probes(prompt, self._ask, model=self._model)
            if report.has_passed:
                self._passed[prompt.sha256] = report
            return report

    def is_probed(self, sha256: str) -> bool:
        """Whether the prompt with that hash passed on this model."""
        return sha256 in self._passed


async def _probe(prompt: FallbackPrompt, probe: Probe, ask: Ask) -> ProbeResult:
    try:
        said = await ask(conversation(prompt, prompt.question_prefix + probe.ask), prompt.max_tokens)
    except Exception as error:  # whatever the engine raises is this probe's result
        return ProbeResult(probe.ask, "", "", f"the model did not answer ({type(error).__name__})")
    guard = Guard(prompt)
    answer = guard.push(said) + guard.finish()
    return ProbeResult(probe.ask, said, answer, _problem(probe, said, answer, is_refused=guard.is_refused))


def _problem(probe: Probe, said: str, answer: str, *, is_refused: bool) -> str | None:
    if is_refused:
        return "the answer did not fit the prompt file, so the refusal text stood in for it"
    if probe.expect_regex is not None and pattern(probe.expect_regex).search(said) is None:
        return f"the answer does not match {probe.expect_regex}"
    if probe.forbid_regex is not None and pattern(probe.forbid_regex).search(said) is not None:
        return f"the answer matches {probe.forbid_regex}, which is forbidden"
    if probe.max_chars is not None and len(answer) > probe.max_chars:
        return f"the answer has {len(answer)} characters, expected {probe.max_chars} at most"
    return None
