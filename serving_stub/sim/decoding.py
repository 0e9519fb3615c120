"""Sequences that decode, each a token a step: they are brought up to date only where something happens to one of them.

A sequence fills a KV block every so many steps, needs the next one in the step after, and ends in a step that is known
as soon as it begins to decode. So each waits in the lists of those steps, and a step costs what happens in it, not
what runs in it. Until it is brought up to date a sequence stands as it was when something last happened to it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from serving_stub.engine.sequence import Sequence

Order = tuple[int, int]
"""Class, then admission: in which a step computes those who decode."""


@dataclass(slots=True, eq=False)
class Member:
    """A sequence that decodes.

    Args:
        since: the group's step up to which its own fields are right.
        ends: the number of the step that gives it its last token.
    """

    seq: Sequence
    order: Order
    since: int
    ends: int


class Decoding:
    """A group of them.

    Args:
        letters: the next tokens of a sequence, so many.
    """

    def __init__(self, block_size: int, letters: Callable[[Sequence, int], tuple[int, ...]]) -> None:
        self._block_size = block_size
        self._letters = letters
        self.clear()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def clear(self) -> None:
        """Nobody is left."""
        self.num_steps = 0
        self.contexts = 0
        """Tokens in the cache, of all together."""
        self._members: dict[str, Member] = {}
        self._filling: list[list[Member]] = [[] for _ in range(self._block_size)]
        self._ending: dict[int, list[Member]] = {}

    def join(self, seq: Sequence, order: Order) -> None:
        """From the next step on *seq* decodes with the others."""
        left = seq.request.params.max_tokens - seq.num_generated_tokens
        member = Member(seq, order, self.num_steps, self.num_steps + left - 1)
        self._members[seq.request_id] = member
        self.contexts += seq.num_computed_tokens
        insort(self._filling[(self.num_steps - seq.num_computed_tokens - 1) % self._block_size], member, key=_order)
        insort(self._ending.setdefault(member.ends, []), member, key=_order)

    def growing(self) -> list[Member]:
        """Who needs a block in the next step, having filled the last one; all are up to date."""
        return self._filling[(self.num_steps - 1) % self._block_size]

    def step(self, now: float) -> list[Member]:
        """A step is over; answers who filled a block with it, up to date."""
        number = self.num_steps
        self.num_steps += 1
        self.contexts += len(self._members)
        full = self._filling[number % self._block_size]
        for member in full:
            self.update(member, now)
        return full

    def ended(self, now: float) -> list[Member]:
        """Who got its last token with the step that is just over; they are up to date and here no more."""
        ended = self._ending.pop(self.num_steps - 1, [])
        for member in ended:
            self._leave(member, now)
        return ended

    def preempted(self, seq: Sequence, now: float) -> None:
        """*seq*, which is one of them, decodes no more; it is brought up to date."""
        member = self._members[seq.request_id]
        self._ending[member.ends].remove(member)
        self._leave(member, now)

    def _leave(self, member: Member, now: float) -> None:
        self.update(member, now)
        self.contexts -= member.seq.num_computed_tokens
        del self._members[member.seq.request_id]
        self._filling[(self.num_steps - member.seq.num_computed_tokens - 1) % self._block_size].remove(member)

    def update(self, member: Member, now: float) -> None:
        """Write into a sequence's own fields what has happened since they were right; *now* is the last step's end."""
        seq, count = member.seq, self.num_steps - member.since
        if not count:
            return
        seq.token_ids.extend(self._letters(seq, count))
        seq.num_computed_tokens += count
        seq.num_ever_computed = max(seq.num_ever_computed, seq.num_computed_tokens)
        seq.last_token_at = now
        member.since = self.num_steps


def _order(member: Member) -> Order:
    return member.order
