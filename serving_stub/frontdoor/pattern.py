"""Pattern sets over prompts: what a text says, by regular expressions that people review, each set with its fixtures.

All patterns of a set run in one pass of RE2, whose time is linear in the text whatever the expressions are. A set whose
fixtures fail is refused when it is loaded. Sets decide before routing (a crisis always takes the normal path), so their
answer never silently is "nothing": where RE2 gives up on the joint pass, the patterns run one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import re2
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.errors import SettingError
from serving_stub.yamlfile import Location, load

SHIPPED = Path(__file__).with_name("data") / "patterns"
MOST_CHARS = 32_768
"""Of a longer text the first quarter and the last three quarters of this are read: what was said last counts most."""
MEMORY_BYTES = 32 << 20
"""RE2's budget for one set's automaton, which grows with what texts make it visit and starts over when it is full."""

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
_SPACE_IN_BRACKETS = re.compile(r"(?<!\\)\[[^\]]* ")


class Flag(StrEnum):
    """What a hit of a set means to the door or to a policy."""

    CRISIS = "crisis"
    JAILBREAK = "jailbreak"
    SECRET = "secret"  # noqa: S105  a flag's name
    REVIEW = "review"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(_Strict):
    """One expression in RE2's syntax; a space stands for any white space, and `\\b` knows ASCII letters only."""

    id: _Id
    regex: _Text


class Fixtures(_Strict):
    """Texts that show what a set is for: each of `hits` is hit, none of `misses` is."""

    hits: Annotated[tuple[_Text, ...], Field(min_length=1)]
    misses: Annotated[tuple[_Text, ...], Field(min_length=1)]


class PatternSet(_Strict):
    """One file of patterns.

    Args:
        owner: the team that answers for it.
        match_case: where false, large and small letters are the same.
    """

    id: _Id
    title: _Text
    owner: _Text
    flags: Annotated[tuple[Flag, ...], Field(min_length=1)]
    match_case: bool = False
    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=200)]
    tests: Fixtures


@dataclass(frozen=True, slots=True)
class PatternHits:
    """What was found in one text.

    Args:
        ids: `set/pattern`, in the order of the files.
        flags: of the sets that were hit.
    """

    ids: tuple[str, ...] = ()
    flags: frozenset[Flag] = frozenset()

    @property
    def is_crisis(self) -> bool:
        return Flag.CRISIS in self.flags


NO_HITS = PatternHits()


class PatternSets:
    """Sets over one text; safe to share between threads.

    Each set is an automaton of its own: joined, the states of three sets multiply until RE2 forgets them faster than it
    uses them, and a scan takes a millisecond instead of a hundredth of that.
    """

    def __init__(self, sets: Sequence[PatternSet]) -> None:
        self._automata = [_Automaton(one) for one in sets]

    def scan(self, text: str) -> PatternHits:
        """Everything that *text* hits."""
        if len(text) > MOST_CHARS:
            text = f"{text[: MOST_CHARS // 4]}\n{text[-3 * MOST_CHARS // 4 :]}"
        content = text.encode("utf-8", "replace")
        ids: tuple[str, ...] = ()
        flags: frozenset[Flag] = frozenset()
        for one in self._automata:
            if found := one.scan(content):
                ids += found
                flags |= one.flags
        return PatternHits(ids, flags) if ids else NO_HITS


class _Automaton:
    """All patterns of one set in one pass."""

    def __init__(self, whole: PatternSet) -> None:
        self.flags = frozenset(whole.flags)
        self._ids = [f"{whole.id}/{pattern.id}" for pattern in whole.patterns]
        self._regexes = [_written(pattern.regex, whole.match_case) for pattern in whole.patterns]
        self._set = re2.Set.SearchSet(_options())
        for regex in self._regexes:
            self._set.Add(regex)
        # RE2 says "no match" too when it runs out of memory; one that always matches tells the two apart.
        self._sentinel = self._set.Add("")
        self._set.Compile()

    def scan(self, content: bytes) -> tuple[str, ...]:
        found = self._set.Match(content)
        if found == [self._sentinel]:
            return ()
        if self._sentinel not in found:
            singly = (re2.compile(regex, _options()) for regex in self._regexes)
            found = [place for place, regex in enumerate(singly) if regex.search(content) is not None]
        return tuple(self._ids[place] for place in sorted(found) if place != self._sentinel)


def load_pattern_set(path: Path) -> PatternSet:
    """The set in the file at *path*.

    Raises: FileError with file, line and column of every expression that does not compile and every fixture that fails.
    """
    return load(path, PatternSet, lambda whole: _problems(whole, path.stem))


def load_pattern_sets(folder: Path = SHIPPED) -> PatternSets:
    """Every `*.yaml` of *folder*, in order of their names.

    Raises: SettingError where the folder has none; FileError for the first file that is refused.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise SettingError(f"{folder}: has no pattern set, expected files named *.yaml")
    return PatternSets([load_pattern_set(path) for path in paths])


def _problems(whole: PatternSet, stem: str) -> Iterator[tuple[Location, str]]:
    if whole.id != stem:
        yield ("id",), f"id is '{whole.id}', expected the file's name '{stem}'"
    seen: set[str] = set()
    broken = False
    for place, pattern in enumerate(whole.patterns):
        if pattern.id in seen:
            yield ("patterns", place, "id"), f"pattern id '{pattern.id}' stands twice"
        seen.add(pattern.id)
        if (problem := _problem_of(pattern.regex, whole.match_case)) is not None:
            broken = True
            yield ("patterns", place, "regex"), f"pattern '{pattern.id}': {problem}"
    if not broken:
        yield from _failures(whole)


def _problem_of(regex: str, match_case: bool) -> str | None:
    if _SPACE_IN_BRACKETS.search(regex):
        return r"a space between brackets is ambiguous here; write \s or \x20"
    try:
        compiled = re2.compile(_written(regex, match_case), _options())
    except re2.error as error:
        reason = error.args[0]
        return f"RE2 cannot compile it: {reason.decode() if isinstance(reason, bytes) else reason}"
    return "it matches the empty text, so every prompt would be hit" if compiled.search(b"") is not None else None


def _failures(whole: PatternSet) -> Iterator[tuple[Location, str]]:
    sets = PatternSets([whole])
    unproven = {f"{whole.id}/{pattern.id}": place for place, pattern in enumerate(whole.patterns)}
    for place, text in enumerate(whole.tests.hits):
        hits = sets.scan(text).ids
        if not hits:
            yield ("tests", "hits", place), "no pattern hits this text"
        for one in hits:
            unproven.pop(one, None)
    for place, text in enumerate(whole.tests.misses):
        if hits := sets.scan(text).ids:
            yield ("tests", "misses", place), f"this text is hit by {' and '.join(hits)}"
    for one, place in unproven.items():
        yield ("patterns", place, "regex"), f"no text under tests.hits is hit by {one}"


def _written(regex: str, match_case: bool) -> str:
    spaced = regex.replace(" ", r"(?:\s+)")
    return spaced if match_case else f"(?i:{spaced})"


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MEMORY_BYTES
    return options
