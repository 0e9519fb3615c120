"""What would happen if somebody did it now: a look ahead, made before every risky press.

The digest is over whatever decides what happens, so that a person's yes is to that and to nothing else. What only
reads, such as a gauge of this second, is shown and not part of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from opsbot.runbook.knob_turn import KnobTurn

if TYPE_CHECKING:
    from opsbot.runbook.commands import RunRequest

PreviewVerb = Literal["approve", "glass", "start", "undo", "cancel", "object", "go_now", "resolve", "stop_all", "go_on"]
VERBS: tuple[PreviewVerb, ...] = get_args(PreviewVerb)
SHORT = 4
"""Digits of a digest that are shown: enough to see at a glance that two are not the same."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody is about to do.

    Args:
        reference: an approval's, a run's, an announcement's or an incident's name; empty where there is only one thing.
        request: of the verb `start`.
    """

    verb: PreviewVerb
    reference: str = ""
    request: RunRequest | None = None


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """One thing that would be done.

    Args:
        action: its name; empty for what the bot does itself.
        does: in words, without a full stop.
        arguments: each as `name=value`.
        undo: how it is taken back, in words; empty where that is said of the whole.
        changes: whether it changes something; what does not is not part of the digest.
        unread: why a value could not be read; empty if every one was.
    """

    name: str
    action: str
    does: str
    arguments: tuple[str, ...] = ()
    turns: tuple[KnobTurn, ...] = ()
    undo: str = ""
    changes: bool = True
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """A look ahead.

    Args:
        about: what it is about, in words: `“Relieve the cache” (r-3fa2c1) for INC-1`.
        steps: in the order in which they are done.
        afterwards: what follows by itself, in words.
        undo: how the whole is taken back, one sentence.
        by_itself: when it ends without anybody, one sentence; empty if it does not.
        who: who must consent, in words; empty if nobody is asked.
        in_the_way: stops, holds, locks and limits that delay or forbid it, each one sentence.
        run_id, incident_id: whose; empty if there is none (yet).
    """

    verb: PreviewVerb
    reference: str
    about: str
    steps: tuple[PreviewStep, ...] = ()
    afterwards: tuple[str, ...] = ()
    undo: str = ""
    by_itself: str = ""
    who: str = ""
    in_the_way: tuple[str, ...] = ()
    run_id: str = ""
    incident_id: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over what decides, hex."""
        steps = [
            [one.name, one.action, sorted(one.arguments), [[t.knob, t.now, t.after] for t in one.turns], one.undo]
            for one in self.steps
            if one.changes
        ]
        decisive = [self.verb, self.about, steps, self.afterwards, self.undo, self.who, self.in_the_way]
        text = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def short_digest(self) -> str:
        """As it is shown: `7f3a…`."""
        return f"{self.digest[:SHORT]}…"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, for programs."""
        return {**dataclasses.asdict(self), "digest": self.digest}


def changes(before: Preview, after: Preview) -> tuple[str, ...]:
    """What has changed between two looks at the same thing, each one sentence; empty if nothing that decides has."""
    return () if before.digest == after.digest else tuple(_changes(before, after)) or ("What is done has changed.",)


def _changes(before: Preview, after: Preview) -> Iterator[str]:
    was = {turn.knob: turn for step in before.steps for turn in step.turns}
    for turn in (turn for step in after.steps for turn in step.turns):
        known = was.get(turn.knob)
        if known is not None and known.now != turn.now:
            yield f"{turn.knob} is {turn.now} now; it was {known.now}."
        elif known is not None and known.after != turn.after:
            yield f"{turn.knob} would become {turn.after}; it would have become {known.after}."
    yield from _of_steps(before, after)
    for one in after.in_the_way:
        if one not in before.in_the_way:
            yield f"New: {one}"
    for one in before.in_the_way:
        if one not in after.in_the_way:
            yield f"No longer so: {one}"
    if before.who != after.who:
        yield f"Who must consent: {after.who or 'nobody'}; it was {before.who or 'nobody'}."


def _of_steps(before: Preview, after: Preview) -> Iterator[str]:
    was = {step.name: step for step in before.steps if step.changes}
    now = {step.name: step for step in after.steps if step.changes}
    for name, step in now.items():
        if name not in was:
            yield f"“{name}” would be done too."
        elif was[name].arguments != step.arguments:
            told = ", ".join(one for one in step.arguments if one not in was[name].arguments)
            yield f"“{name}” is done otherwise: {told or 'with fewer arguments'}."
        elif bool(was[name].unread) != bool(step.unread):
            yield f"“{name}”: " + (step.unread if step.unread else "its value could be read this time") + "."
    for name in was:
        if name not in now:
            yield f"“{name}” is not done any more."
