"""Turns one sequence's new tokens into text chunks, and notices stop strings.

Text that might be the beginning of a stop string is held back until it is clear that it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving_stub.model.tokenizer import TextStream


@dataclass(slots=True)
class OutputText:
    """The text of one answer as it grows."""

    stream: TextStream
    stop: tuple[str, ...]
    held: str = ""
    is_stopped: bool = False

    def push(self, token_id: int) -> str:
        """Text that may be sent after *token_id*."""
        text = self.stream.push(token_id)
        if not self.stop:
            return text
        self.held += text
        found = [at for at in (self.held.find(stop) for stop in self.stop) if at >= 0]
        if found:
            self.is_stopped = True
            return self._take(min(found), drop_rest=True)
        return self._take(len(self.held) - self._suspicious())

    def flush(self) -> str:
        """What was held back, at the end of an answer that did not stop at a stop string."""
        return self._take(len(self.held))

    def _take(self, length: int, *, drop_rest: bool = False) -> str:
        text, rest = self.held[:length], self.held[length:]
        self.held = "" if drop_rest else rest
        return text

    def _suspicious(self) -> int:
        longest = 0
        for stop in self.stop:
            for length in range(min(len(stop) - 1, len(self.held)), 0, -1):
                if self.held.endswith(stop[:length]):
                    longest = max(longest, length)
                    break
        return longest
