"""Text as an attacker, a careless exporter or a tired person writes it; for tests of what leaves to Slack."""

from __future__ import annotations

import re

from hypothesis import strategies as st

PING = re.compile(r"<!(?:channel|here|everyone|subteam)|<@[UW][A-Z0-9]+|<#C|<(?:https?|mailto):")
UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\x00-\x08\u061c\U000e0000-\U000e007f]")
PIECES = (
    "<!channel>", "<!here>", "<!subteam^S123|oncall>", "<@U0BOSS>", "<#C0INCIDENTS>", "<http://evil.example|safe>",
    "&lt;!channel&gt;", "```", "`", "*", "_", "~", ">", "\u202egnp.exe", "\u2066", "\u200b", "\ufeff", "\u200f",
    "a" * 200, "🔥", "👩‍🚒", "عاجل", "שלום", "é" + "\u0301" * 30, "\n", "\r\n", "\t", "\x00", "\U000e0041", "{{x}}",
    "<", "|", "^", "<!date^1^{time}|x>", ":fire:", "@channel", "http://x.example/a?b=1&c=2", "INC-1",
)  # fmt: skip

hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=40).map("".join)
"""Mostly what has a meaning somewhere; up to a few thousand characters."""
endless = st.integers(1, 5000).flatmap(lambda n: st.sampled_from(PIECES).map(lambda piece: (piece * n)[:5000]))
"""Up to 5,000 characters of the same."""
anything = hostile | endless
