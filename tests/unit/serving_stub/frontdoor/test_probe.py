"""Probes decide whether a prompt may go live, on what the model itself says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from serving_stub.frontdoor.probe import Prober, ProbeReport, run_probes
from serving_stub.frontdoor.prompt_library import FallbackPrompt
from tests.support.fallback_layers import prompt

PROBES = [
    {"ask": "Three?", "expect_regex": "Meow", "forbid_regex": "Paris"},
    {"ask": "Four?", "max_chars": 12},
]
CAT = prompt(probes=PROBES, expect_regex="(?i)meow", answer_prefix="Meow! ", max_tokens=9)


class Model:
    """Says the same to every question and keeps what it was asked."""

    def __init__(self, says: str) -> None:
        self.says = says
        self.asked: list[tuple[list[dict[str, str]], int]] = []

    async def ask(self, messages: Sequence[dict[str, str]], max_tokens: int) -> str:
        self.asked.append((list(messages), max_tokens))
        await asyncio.sleep(0)
        return self.says


async def report_of(model: Model, file: FallbackPrompt = CAT) -> ProbeReport:
    """The report on the model `m`."""
    return await run_probes(file, model.ask, model="m")


async def test_a_prompt_that_works_passes() -> None:
    """Each question is asked as a caller's would be."""
    model = Model("Meow, yes.")
    report = await report_of(model)
    assert report.has_passed
    assert (report.prompt_id, report.prompt_sha256, report.model) == ("cat", CAT.sha256, "m")
    assert [messages[-1] for messages, _ in model.asked] == [
        {"role": "user", "content": "Cat! Three?"},
        {"role": "user", "content": "Cat! Four?"},
    ]
    assert {max_tokens for _, max_tokens in model.asked} == {9}


async def test_a_prompt_that_only_the_door_puts_right_does_not() -> None:
    """The door would add the meow; the model did not say it."""
    report = await report_of(Model("Yes."))
    assert report.problems == ("'Three?': the answer does not match Meow",)
    assert report.results[0].answer == "Meow! Yes."


async def test_every_kind_of_failure_is_told() -> None:
    """What is forbidden, and what is too long."""
    report = await report_of(Model("Meow, Paris is the capital."))
    assert report.problems == (
        "'Three?': the answer matches Paris, which is forbidden",
        "'Four?': the answer has 27 characters, expected 12 at most",
    )


async def test_an_answer_that_had_to_be_refused_fails() -> None:
    """Whatever the probe itself expects."""
    report = await report_of(Model(""))
    assert not report.has_passed
    assert "the refusal text stood in for it" in report.problems[1]


async def test_an_engine_that_fails_is_a_failed_probe() -> None:
    """Not an error of the caller."""

    async def ask(messages: Sequence[dict[str, str]], max_tokens: int) -> str:
        raise TimeoutError

    report = await run_probes(CAT, ask, model="m")
    assert report.problems[0] == "'Three?': the model did not answer (TimeoutError)"


async def test_a_notice_asks_nothing() -> None:
    """There is no model in it."""
    model = Model("x")
    assert (await report_of(model, prompt("notice", "notice"))).has_passed
    assert model.asked == []


async def test_a_pass_is_remembered_and_a_failure_is_not() -> None:
    """By what the file says: the same prompt is asked once, even twice at the same time."""
    model = Model("No.")
    prober = Prober(model.ask, "m")
    assert not (await prober.ensure(CAT)).has_passed
    assert not prober.is_probed(CAT.sha256)
    model.says = "Meow, yes."
    await asyncio.gather(prober.ensure(CAT), prober.ensure(CAT))
    assert prober.is_probed(CAT.sha256)
    assert len(model.asked) == 4
