"""Which fallback prompts may be used: those that passed their probes on the model that is served.

Before a lease is granted its prompt is probed; after a restart what the journal brought back is probed again. Until
that has passed its cohort gets the library's notice, so that nothing unprobed is ever said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from serving_stub.errors import InvalidValue
from serving_stub.frontdoor import fallback
from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.decision import InForce
from serving_stub.frontdoor.door_knobs import FALLBACK
from serving_stub.frontdoor.fallback import Chosen, FallbackValue
from serving_stub.frontdoor.knob import Value
from serving_stub.frontdoor.probe import Prober
from serving_stub.frontdoor.prompt_library import FallbackMode, FallbackPrompt, PromptLibrary

_LOG = logging.getLogger(__name__)
AGAIN_S = 5.0
"""Between two tries for a prompt in force that has not passed: the engine may still be coming up."""


class FallbackVetting:
    """One server's fallback prompts.

    Args:
        in_force: asked for the layers of `fallback_prompt`.
    """

    def __init__(self, library: PromptLibrary, prober: Prober, in_force: InForce) -> None:
        self._library = library
        self._prober = prober
        self._in_force = in_force

    async def vet(self, knob: str, value: Value | None) -> None:
        """Whether a lease of *knob* may be granted as far as fallback prompts go: probes run here.

        Raises: InvalidValue with the questions that did not pass.
        """
        if knob != FALLBACK.name:
            return
        wanted = FALLBACK.parse({} if value is None else value)
        assert isinstance(wanted, FallbackValue)
        prompt = self._library.pinned(wanted.prompt, wanted.prompt_sha256)
        if prompt is not None and prompt.mode is wanted.mode:
            report = await self._prober.ensure(prompt)
            if not report.has_passed:
                told = "; ".join(report.problems)
                raise InvalidValue(f"fallback_prompt: '{prompt.id}' does not pass its probes on this model: {told}")
        fallback.check(wanted, self._library, self._prober.is_probed)

    def choose(self, caller: Caller, *, is_crisis: bool) -> Chosen | None:
        """The fallback that *caller* meets; None for the normal path."""
        layers = self._in_force(FALLBACK.name)
        if not layers:
            return None
        chosen = fallback.decide(caller, layers, self._library, is_crisis=is_crisis)
        if chosen is None or self._may_run(chosen.prompt):
            return chosen
        return Chosen(chosen.value, self._library.spare_notice)

    async def run(self) -> None:
        """Probe what is in force and has not been probed, until cancelled."""
        while True:
            for prompt in self._unprobed():
                report = await self._prober.ensure(prompt)
                if not report.has_passed:
                    _LOG.warning(
                        "fallback prompt '%s' in force has not passed its probes; a notice stands in", prompt.id
                    )
            await asyncio.sleep(AGAIN_S)

    def _unprobed(self) -> Iterable[FallbackPrompt]:
        values = [layer.value for layer in self._in_force(FALLBACK.name)]
        pinned = [self._library.pinned(one.prompt, one.prompt_sha256) for one in values]
        return [prompt for prompt in pinned if prompt is not None and not self._may_run(prompt)]

    def _may_run(self, prompt: FallbackPrompt) -> bool:
        return prompt.mode is FallbackMode.NOTICE or self._prober.is_probed(prompt.sha256)
