"""Reading a command costs little, whatever was typed: it happens on the bot's event loop."""

from __future__ import annotations

import pytest

from opsbot.spoken import scan as scanning
from opsbot.spoken.plain import MOST_CHARS
from opsbot.spoken.plain import key_of as real_key_of
from opsbot.spoken.scan import scan


@pytest.mark.parametrize("unit", ["1:", "=", "0:", "a=", "eu-"])
def test_a_long_word_is_not_read_anew_at_each_character(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that are looked at for a cluster's name grow with the text, not with its square."""
    looked_at = 0

    def counted(word: str) -> str:
        nonlocal looked_at
        looked_at += len(word)
        return real_key_of(word)

    monkeypatch.setattr(scanning, "key_of", counted)
    scan((unit * MOST_CHARS)[:MOST_CHARS], ("eu-1",))
    assert looked_at < 50 * MOST_CHARS


def test_a_long_cluster_name_is_still_found() -> None:
    """As long as names of clusters are."""
    name = "eu-" + "x" * 120
    assert scan(f"{name} 8", (name,)).clusters == [name]
