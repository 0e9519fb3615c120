"""What compiles and still cannot be meant: a state that no step has, a PromQL condition that compares nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsbot.runbook.run import StepState
from opsbot.value_words import suggest

STATES = tuple(state.value for state in StepState)
_STATE = re.compile(r"""steps\.\w+\.state\s*[!=]=\s*(?:"([^"]*)"|'([^']*)')""")
_LABELS = re.compile(r"""\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\}""")
_COMPARES = re.compile(r"[<>]=?|[!=]=|\b(?:and|unless|absent|absent_over_time)\b")


def unknown_states(condition: str) -> Iterator[str]:
    """A sentence for each state in a CEL condition that a step never has."""
    for found in _STATE.finditer(condition):
        state = found[1] if found[1] is not None else found[2]
        if state not in STATES:
            near = suggest(state, STATES) or "; its state is one of " + ", ".join(STATES)
            yield f"no step is ever {state!r}{near}"


def compares(expr: str) -> bool:
    """Whether a PromQL condition can be without series while there is data; one that cannot always holds."""
    return bool(_COMPARES.search(_LABELS.sub("", expr)))
