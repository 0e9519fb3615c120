"""What the backend tells the front door about the answer it gave: filled while the answer is sent, read after it.

The door puts one into `scope["state"]["served"]`; a backend that finds none there does without.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Served:
    """One answer, as far as it is known; a field is None until it is.

    Args:
        status: of HTTP; a stream that broke keeps its 200 and has an `error_code`.
        prompt_tokens, cached_tokens, completion_tokens: from the engine's own count where it gives one.
            `completion_tokens` of a stream that ended without a count is the number of its content chunks.
        finish_reason: of the first choice.
        first_token_at: monotonic seconds when the first content was handed to the client's connection; None for an
            answer that came in one piece.
        error_code: why there was no whole answer: the machine-readable code that the client saw, or `client_gone`.
        most_said: how many characters of the answer are wanted; 0 where nobody reads them.
        said: the answer's text so far, about as much as is wanted.
    """

    status: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    first_token_at: float | None = None
    error_code: str | None = None
    most_said: int = 0
    said: str = ""

    def say(self, text: str) -> None:
        """The answer goes on with *text*; what is more than wanted is left out."""
        if len(self.said) < self.most_said:
            self.said += text[: self.most_said - len(self.said)]


def served_of(scope: MutableMapping[str, Any]) -> Served:
    """The record that the door put into *scope*, or one that nobody will read."""
    state = scope.get("state")
    found = state.get("served") if isinstance(state, Mapping) else None
    return found if isinstance(found, Served) else Served()
