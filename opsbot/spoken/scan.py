"""Finds in a command what is a cluster, a length, a number, a name or a reason, whatever their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from opsbot.errors import ConfigError
from opsbot.spoken.length import LENGTH, length_of
from opsbot.spoken.plain import key_of, nearest, spoken_reason

_BECAUSE = re.compile(r"(?:^|[\s,;])(?:(?:because|since|weil|denn)\b|(?:reason|why)\s*[:=])[\s:]*", re.IGNORECASE)
_EXPECT = re.compile(r"(?:^|[\s,;])(?:expect(?:s|ed|ing)?|hoping)\b[\s:=]*", re.IGNORECASE)
_INCIDENT = re.compile(r"(?:(?:for|in|of|on)\s+)?(?:inc(?:ident)?[-_ #]*|#)(\d{1,9})\b", re.IGNORECASE)
_RATE = re.compile(
    r"(?:at\s+)?(\d{1,7}(?:[.,]\d{1,3})?)\s*"
    r"(?:(rps|qps|r/s|req(?:uest)?s?\s*(?:/\s*s(?:ec(?:ond)?)?|(?:a|per)\s+sec(?:ond)?)|/\s*s(?:ec(?:ond)?)?)"
    r"|(rpm|req(?:uest)?s?\s*(?:/\s*min(?:ute)?|(?:a|per)\s+min(?:ute)?)|/\s*min(?:ute)?))\b",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"(?:(?:by|to|of)\s+)?([+-]?)\s*(\d{1,5}(?:[.,]\d{1,4})?)\s*(?:%|percent\b|pct\b|prozent\b)"
    r"(?:\s+(less|fewer|down|lower|more|up|higher)\b)?",
    re.IGNORECASE,
)
_HALF = re.compile(r"(?:to|by)?\s*(half|halve[sd]?|double[sd]?)\b(?!\s+an?\s)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:to\s+)?([+-]?)(\d{1,9}(?:[.,]\d{1,6})?)(?![\w%/.-])")
_PAIR = re.compile(
    r"(tenant|class|key|client|account)s?\s*(?:[=:]\s*|\s+(?!=))(?:\"([^\"]{1,200})\"|'([^']{1,200})'|([^\s,;]{1,200}))",
    re.IGNORECASE,
)
_OFF = re.compile(r"(?:off|releases?d?|down|ends?|stop|undo|remove|lift|clear|back|normal|reset)\b", re.IGNORECASE)
_ON = re.compile(r"(?:on|up|start|raise|begin)\b", re.IGNORECASE)
_PLACE = re.compile(r"(?:on|for|in|at|of)\s+(?:cluster\s+)?", re.IGNORECASE)
_FILLER = re.compile(
    r"(?:to|at|by|with|the|limit|of|set|is|please|cluster|in|for|and|callers?|requests?|batch|now)\b|[,;=:]",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s,;]+")
MOST_NAME = 200
"""Characters of a cluster's name."""

T = TypeVar("T", str, float)


@dataclass(slots=True)
class Found:
    """What stands in a command.

    Args:
        percent: with its sign; is_signed says whether one was typed (`-25%`, `25% less`).
        rate: requests a second.
        pairs: `tenant=acme`.
        is_on_of_a_place: whether an `on` stands right before a cluster, and so switches nothing.
        strange: the first words that nothing could be made of.
    """

    clusters: list[str] = field(default_factory=list)
    incident_id: str | None = None
    length_s: float | None = None
    percent: float | None = None
    number: float | None = None
    is_signed: bool = False
    rate: float | None = None
    switch: str = ""
    is_on_of_a_place: bool = False
    pairs: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    expect: str = ""
    strange: str = ""


def scan(text: str, clusters: Sequence[str]) -> Found:
    """What stands in *text*, which `plain` has made plain. Raises ConfigError for what is said twice."""
    found = Found()
    head = _tail(text, found)
    keys = {key_of(one): one for one in clusters}
    at, strange_at, filler_at = 0, -1, -1
    while at < len(head):
        if head[at].isspace():
            at += 1
            continue
        end = _take(head, at, keys, found)
        if end > at:
            if strange_at >= 0 and not found.strange:
                # Words stand between what was understood: they are no reason, which comes last.
                found.strange = head[strange_at:at].strip()
            at, filler_at = end, -1
            continue
        filler = _FILLER.match(head, at)
        if filler is not None:
            filler_at = at if filler_at < 0 else filler_at
            at = filler.end()
            continue
        if strange_at < 0:
            strange_at = at if filler_at < 0 else filler_at
        word = _WORD.match(head, at)
        at = at + 1 if word is None else word.end()
    if strange_at >= 0 and not found.strange:
        _last_words(head[strange_at:].strip(), found)
    return found


def _tail(text: str, found: Found) -> str:
    """Take the reason and what is expected off the end; what is left."""
    marks = sorted(
        (match.start(), match.end(), name)
        for name, pattern in (("reason", _BECAUSE), ("expect", _EXPECT))
        if (match := pattern.search(text)) is not None
    )
    for index, (_, end, name) in enumerate(marks):
        until = marks[index + 1][0] if index + 1 < len(marks) else len(text)
        setattr(found, name, spoken_reason(text[end:until]))
    return text[: marks[0][0]] if marks else text


def _last_words(words: str, found: Found) -> None:
    """What stands at the end is a reason if it reads like one: several words, and no number that was mistyped."""
    first = words.split()[0]
    is_reason = len(words.split()) > 1 and not any(sign.isdigit() for sign in first)
    if is_reason and not found.reason and found.clusters and nearest(first, ("because", "expect")) is None:
        found.reason = spoken_reason(words)
    else:
        found.strange = words


def _take(head: str, at: int, keys: dict[str, str], found: Found) -> int:
    """Take what stands at *at*; answers where it ends, or *at* if nothing is understood."""
    if (match := _INCIDENT.match(head, at)) is not None:
        found.incident_id = _once("incident", found.incident_id, f"INC-{int(match[1])}")
        return match.end()
    if (end := _cluster(head, at, keys, found)) > at:
        return end
    if (match := _RATE.match(head, at)) is not None:
        found.rate = _once("rate", found.rate, _float(match[1]) / (1 if match[2] else 60))
        return match.end()
    if (match := _PERCENT.match(head, at)) is not None:
        sign = -1.0 if match[1] == "-" or (match[3] or "").lower() in ("less", "fewer", "down", "lower") else 1.0
        found.percent = _once("percentage", found.percent, sign * _float(match[2]))
        found.is_signed = bool(match[1] or match[3])
        return match.end()
    if (match := LENGTH.match(head, at)) is not None:
        found.length_s = _once("length", found.length_s, length_of(match))
        return match.end()
    if (match := _HALF.match(head, at)) is not None:
        found.percent = _once("percentage", found.percent, -50.0 if match[1].lower().startswith("hal") else 100.0)
        found.is_signed = True
        return match.end()
    if (match := _PLACE.match(head, at)) is not None and _cluster(head, match.end(), keys, Found()) > match.end():
        found.is_on_of_a_place = match[0].strip().lower() == "on"
        return match.end()
    return _rest(head, at, found)


def _rest(head: str, at: int, found: Found) -> int:
    if (match := _PAIR.match(head, at)) is not None:
        name = match[1].lower()
        found.pairs[name] = _once(name, found.pairs.get(name), (match[2] or match[3] or match[4]).lstrip("@"))
        return match.end()
    if (match := _NUMBER.match(head, at)) is not None:
        found.number = _once("number", found.number, _float(match[1] + match[2]))
        found.is_signed = bool(match[1])
        return match.end()
    for word, pattern in (("off", _OFF), ("on", _ON)):
        if (match := pattern.match(head, at)) is not None:
            found.switch = _once("switch", found.switch or None, word)
            return match.end()
    return at


def _cluster(head: str, at: int, keys: dict[str, str], found: Found) -> int:
    word = _WORD.match(head, at)
    # Of a long word each part is looked at anew: without an end to that, one command could stop the bot for seconds.
    if word is None or word.end() - at > MOST_NAME:
        return at
    key = key_of(word[0])
    name = keys.get(key) if key else None
    end = word.end()
    if name is None:
        # `eu 1` for `eu-1`.
        both = re.compile(r"[^\W\d]+ \d+\b").match(head, at)
        name = None if both is None else keys.get(key_of(both[0]))
        end = end if both is None else both.end()
    if name is None:
        return at
    if name not in found.clusters:
        found.clusters.append(name)
    return end


def _once(what: str, before: T | None, now: T) -> T:
    if before is not None and before != now:
        raise ConfigError(f"the {what} is said twice, and differently: {before} and {now}; write it once")
    return now


def _float(text: str) -> float:
    return float(text.replace(",", "."))
