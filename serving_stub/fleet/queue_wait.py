"""How long a newcomer would wait for its turn, from what a router sees of a cluster every second or so.

By Little's law, the queue over the first tokens a second: John D. C. Little 1961, "A Proof for the Queuing Formula:
L = λW", Operations Research 9(3). First tokens count and not answers, since the wait ends with them. Only time in
which somebody waited counts: a cluster with nothing to do gives few first tokens and is quick all the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW_S = 10.0
"""Of time with a queue; long enough for several first tokens, short enough to follow a change of load."""


@dataclass(frozen=True, slots=True)
class _Span:
    """From one look to the next, with a queue at its beginning."""

    duration_s: float
    num_first_tokens: int


class QueueWait:
    """Of one cluster; told what each look at it showed."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._spans: deque[_Span] = deque()
        self._last: tuple[float, int, int] | None = None

    def seen(self, at_s: float, waiting: int, num_first_tokens: int) -> float:
        """Seconds that who comes now would wait for its first token's turn; 0 when nobody waits.

        While nobody has got a first token since somebody waits, it is the time for which that is so: no rate is known,
        and a new queue is no reason to stay away, an old one that does not move is.

        Args:
            at_s: of this look; any clock that does not jump.
            num_first_tokens: since the cluster's start; one that is smaller than before begins anew.
        """
        if self._last is not None:
            last_at, last_waiting, last_tokens = self._last
            if num_first_tokens < last_tokens or at_s < last_at:
                self._spans.clear()
            elif last_waiting > 0 and at_s > last_at:
                self._spans.append(_Span(at_s - last_at, num_first_tokens - last_tokens))
        self._last = (at_s, waiting, num_first_tokens)
        busy_s = sum(span.duration_s for span in self._spans)
        while self._spans and busy_s - self._spans[0].duration_s >= self._window_s:
            busy_s -= self._spans.popleft().duration_s
        if waiting <= 0:
            return 0.0
        num = sum(span.num_first_tokens for span in self._spans)
        return waiting * busy_s / num if num else busy_s
