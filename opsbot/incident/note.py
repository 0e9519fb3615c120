"""What people add to a timeline by hand: their own words, or a message that somebody wrote in a chat."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.clock import to_minute
from opsbot.errors import ConfigError

MAX_NOTE = 1000
MAX_QUOTE = 300


@dataclass(frozen=True, slots=True)
class QuotedMessage:
    """A message that is added to a timeline.

    Args:
        place: tells it from every other message: `<channel> <timestamp>`.
        author: a name, or the user id where no name is known.
        at: when it was written, seconds since the epoch.
        text: shortened by whoever made this, and fit to be kept.
        link: where it stands; empty if that is not known.
        is_in_thread: whether it stands in the incident's own thread, whose readers have seen it.
    """

    place: str
    author: str
    at: float
    text: str
    link: str = ""
    is_in_thread: bool = False

    def sentence(self, now: float) -> str:
        """As the timeline says it."""
        quote = self.text if len(self.text) <= MAX_QUOTE else self.text[: MAX_QUOTE - 1].rstrip() + "…"
        said = f"“{quote}”" if quote.strip() else "(no text)"
        where = f" ({self.link})" if self.link else ""
        return f"{self.author} wrote at {to_minute(self.at, now)}: {said}{where}"


def check_note(text: str, incident_id: str) -> str:
    """*text* as it is kept: one line.

    Raises: ConfigError, saying what to write instead.
    """
    words = " ".join(text.split())
    if not words:
        raise ConfigError(f"say what is to be noted: `note {incident_id} the rack was moved at 14:05`")
    if len(words) > MAX_NOTE:
        raise ConfigError(f"a note has at most {MAX_NOTE} characters, this one {len(words)}; link to the rest")
    return words
