"""Text as Slack reads it: escaping, shortening, dates in the reader's own time zone, and people.

Everything that came from outside passes `escape` (sentences of the domain) or `literal` (titles, labels, people's
words) before it stands in mrkdwn, and `plain` before it stands in plain text; nothing here adds a mention that the
caller did not ask for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from slack_sdk.models.blocks import MarkdownTextObject

from opsbot.slack.limits import MAX_SECTION_TEXT
from opsbot.slack.unseen import fit_to_leave

_SLACK_USER = re.compile(r"^[UW][A-Z0-9]{2,}$")
_FORMATS = re.compile(r"\*(?=\S)|(?<=\S)\*|(?<!\w)[_~](?=\S)|(?<=\S)[_~](?!\w)|`")
_TOKEN = re.compile(r"<(?=[!@#]|https?:|mailto:)")
_HALF = re.compile(r"&[a-z]{0,3}$")
ROOM_TO_COUNT = 30
"""Characters that say how many lines were left out."""
_LOOKS_LIKE = {"*": "∗", "_": "ˍ", "~": "∼", "`": "'"}


def escape(text: str) -> str:
    """*text* with the three control characters replaced, so that it is shown and never interpreted as a mention.

    Secrets, unseen characters and callers' addresses are taken out; no code block begins that could swallow what
    follows. Single backticks of our own sentences stay.

    Source: docs.slack.dev, page "Formatting message text", section "Escaping text".
    """
    text = fit_to_leave(text).replace("```", "'''")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def literal(text: str) -> str:
    """Escaped *text* in which nothing formats either: what would is replaced by what looks like it."""
    return _FORMATS.sub(lambda found: _LOOKS_LIKE[found[0]], escape(text))


def plain(text: str, limit: int) -> str:
    """*text* for a plain text object: in one line, at most *limit* characters, fit to leave."""
    return shorten(" ".join(inert(text).split()), limit)


def inert(text: str) -> str:
    """*text* for a plain text object, with its lines: not even there does it hold what is a mention elsewhere."""
    return _TOKEN.sub("‹", fit_to_leave(text))


def shorten(text: str, limit: int) -> str:
    """*text* in at most *limit* characters, ending in an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def mrkdwn(text: str, limit: int = MAX_SECTION_TEXT) -> MarkdownTextObject:
    """Formatted text, already escaped, cut at *limit* characters; Slack adds no links or mentions of its own to it."""
    return MarkdownTextObject(text=cut(text, limit), verbatim=True)


def cut(text: str, limit: int) -> str:
    """Mrkdwn in at most *limit* characters; no date, mention or escaped character is cut in two."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    begun = kept.rfind("<")
    if begun > kept.rfind(">"):
        kept = kept[:begun]
    return _HALF.sub("", kept).rstrip() + "…"


def in_room(lines: Sequence[str], room: int) -> str:
    """As many of *lines* of mrkdwn, at least one, as fit *room* characters; the others are counted."""
    text = "\n".join(lines)
    if len(text) <= room:
        return text
    kept: list[str] = []
    left = room - ROOM_TO_COUNT
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    if not kept:
        kept.append(cut(lines[0], room - ROOM_TO_COUNT))
    rest = len(lines) - len(kept)
    if rest:
        kept.append(f"… and {rest} more line{'' if rest == 1 else 's'}")
    return "\n".join(kept)


def date(at: float) -> str:
    """A moment in the reader's time zone, with UTC for clients that cannot show that."""
    fallback = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at)}^{{date_short_pretty}} at {{time}}|{fallback}>"


def clock_time(at: float) -> str:
    """A time of day in the reader's time zone, for moments that are not long ago."""
    return f"<!date^{int(at)}^{{time}}|{datetime.fromtimestamp(at, UTC).strftime('%H:%M UTC')}>"


def duration(seconds: float) -> str:
    """A length of time as people say it: `45 s`, `12 min`, `3 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def person(user_id: str) -> str:
    """A Slack user as a mention, anybody else by the id they have here."""
    return f"<@{user_id}>" if _SLACK_USER.match(user_id) else escape(user_id)


_LEADING_PEOPLE = re.compile(r"@[UW][A-Z0-9]{2,}(?:, @[UW][A-Z0-9]{2,})*(?=:)")


def with_mentions(text: str) -> str:
    """Escaped *text* whose leading `@U0ANNA, @U0BEN:` are mentions that notify; what follows is never one.

    For sentences of our own that begin so: their rest may quote an alert, and an alert must not wake whom it names.
    """
    found = _LEADING_PEOPLE.match(text)
    if found is None:
        return escape(text)
    return re.sub(r"@(\w+)", r"<@\1>", found[0]) + escape(text[found.end() :])


def with_people(text: str, actor: str) -> str:
    """Escaped *text* in which the Slack user *actor*, where named by id, is a mention that shows the name."""
    escaped = escape(text)
    if not _SLACK_USER.match(actor):
        return escaped
    return re.sub(rf"(?<![\w@]){re.escape(actor)}(?!\w)", f"<@{actor}>", escaped)
