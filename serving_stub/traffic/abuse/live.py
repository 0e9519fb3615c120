"""A shape as arrivals of a live run: the same moves, with keys, headers and texts, in the time that a day is given."""

from __future__ import annotations

import random
from collections.abc import Iterator

from serving_stub.traffic.abuse.cast import DAY_S
from serving_stub.traffic.abuse.event import TEMPLATE_TOKENS, TOKENS_PER_WORD
from serving_stub.traffic.abuse.move import Joining, Move
from serving_stub.traffic.abuse.shapes import ShapePlan
from serving_stub.traffic.account_feed import SignUp
from serving_stub.traffic.ask import Ask
from serving_stub.traffic.words import prompt


def arrivals_of(plan: ShapePlan, day_s: float, longest_prompt: int, duration_s: float) -> Iterator[Ask | SignUp]:
    """The shape's arrivals in order of time, without its history.

    Args:
        day_s: seconds that a day of the plan takes.
        longest_prompt: in tokens; a shape that wants more gets as much.
        duration_s: of the run; what would come later is left out.
    """
    shrink = day_s / DAY_S
    for number, move in enumerate(plan.moves):
        if move.at_s < 0:
            continue
        at_s = move.at_s * shrink
        if at_s >= duration_s:
            return
        if isinstance(move, Joining):
            traits = move.who.traits
            yield SignUp(at_s, move.who.persona, plan.shape.id, traits.payment, traits.device, traits.mail_pattern)
            continue
        seed = random.Random(f"{plan.seed}:{plan.shape.id}:{number}").randrange(2**31)
        yield Ask(
            at_s,
            _text(move, seed, longest_prompt),
            seed,
            move.who.persona,
            label=plan.shape.id,
            system=move.system,
            conversation=move.conversation,
            max_tokens=move.max_tokens,
            relays=tuple(member.persona for member in move.relays),
            safety_identifier=move.safety_identifier,
        )


def _text(move: Move, seed: int, longest_prompt: int) -> str:
    """The prompt; a longer one begins with words that nobody else has, or, where it is cached, that all have."""
    tokens = min(move.prompt_tokens or 0, longest_prompt)
    missing = round((tokens - TEMPLATE_TOKENS) / TOKENS_PER_WORD) - len(move.prompt.split())
    if missing <= 0:
        return move.prompt
    source = random.Random(seed if move.uncached > 0.5 else "shared")
    if move.uncached > 0.5:
        return " ".join([*(f"{source.randrange(16**6):06x}" for _ in range(missing // 3)), move.prompt])
    return f"{prompt(source, missing, 0.0)} {move.prompt}"
