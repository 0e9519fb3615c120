"""A message of people on its way to a timeline: read from Slack's own form, kept while somebody picks where to."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from opsbot.incident.note import MAX_QUOTE, QuotedMessage
from opsbot.slack.text import shorten
from opsbot.slack.unseen import fit_to_leave

MOST_KEPT = 200
MAX_AUTHOR = 80
_TOKEN = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


class Quotes:
    """Messages that somebody pinned and that belong to no thread of ours, until an incident is chosen; bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, QuotedMessage] = OrderedDict()

    def keep(self, message: QuotedMessage) -> None:
        """Remember it by its place; the oldest are forgotten."""
        self._kept[message.place] = message
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def kept(self, place: str) -> QuotedMessage | None:
        """The message, unless it was forgotten."""
        return self._kept.get(place)


def place_of(channel: str, ts: str) -> str:
    """What tells a message from every other."""
    return f"{channel} {ts}"


def quoted(
    channel: str, message: Mapping[str, Any], author: str, link: str, *, is_in_thread: bool = False
) -> QuotedMessage:
    """Slack's message as a timeline keeps it: as people read it, shortened, fit to leave."""
    ts = str(message["ts"])
    text = " ".join(fit_to_leave(readable(str(message.get("text") or ""))).split())
    return QuotedMessage(
        place_of(channel, ts),
        " ".join(fit_to_leave(shorten(author, MAX_AUTHOR)).split()),
        float(ts),
        shorten(text, MAX_QUOTE),
        link,
        is_in_thread,
    )


def readable(text: str) -> str:
    """Slack's mrkdwn without its tokens: mentions by what they mean, links by their address."""
    text = _TOKEN.sub(_said, text)
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def author_of(message: Mapping[str, Any]) -> str:
    """The author's user id, or whatever else Slack says of a message without one."""
    return str(message.get("user") or message.get("username") or message.get("bot_id") or "somebody")


def dump(message: QuotedMessage) -> Sequence[str]:
    """As a dialog carries it."""
    return (message.place, message.author, repr(message.at), message.text, message.link)


def load(carried: Sequence[str]) -> QuotedMessage:
    """What a dialog carried; raises ValueError if that is none of ours."""
    place, author, at, text, link = carried
    return QuotedMessage(place, author, float(at), text, link)


def _said(found: re.Match[str]) -> str:
    kind, target, label = found.groups()
    match kind:
        case "@":
            return f"@{label or target}"
        case "#":
            return f"#{label or target}"
        case "!":
            return label or f"@{target.partition('^')[0]}"
        case _:
            return target if not label or label in target else f"{label} ({target})"
