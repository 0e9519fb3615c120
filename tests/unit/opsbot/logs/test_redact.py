"""No secret survives on its way into a log line, and words that only look like one do."""

from __future__ import annotations

import pytest

from opsbot.logs.redact import HIDDEN, Redactor, secret_values


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc123def456", "abc123def456"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("sent bearer tok-99887766, got 401", "tok-99887766"),
        ("the bot is xoxb-123-abc and xapp-1-A0-9", "xoxb-123-abc"),
        ("the bot is xoxb-123-abc and xapp-1-A0-9", "xapp-1-A0-9"),
        ("GET /?token=q1w2e3r4t5&x=1", "q1w2e3r4t5"),
        ('{"routing_key": "0123456789abcdef"}', "0123456789abcdef"),
        ("OPSBOT_API_TOKEN=hunter2hunter2", "hunter2hunter2"),
        ("postgresql://ann:s3cr3t@db/opsbot", "s3cr3t"),
        ("https://hooks.slack.com/services/T0/B0/XyZ", "T0/B0/XyZ"),
        ("key sk-live-abcdefghijkl1234", "sk-live-abcdefghijkl1234"),
        ("password: correcthorse", "correcthorse"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, secret: str) -> None:
    """Whoever made it, and in whichever form it is written."""
    assert secret not in Redactor()(text)
    assert HIDDEN in Redactor()(text)


@pytest.mark.parametrize(
    "text",
    [
        "core is ready on http://127.0.0.1:8070",
        "run run:kv:1 could not be woken",
        "the alert door needs `Authorization: Bearer` with core's API token",
        "12 tokens a second, key 7 of 9",
        "environment variable OPSBOT_API_TOKEN is not set: the token between opsbot's roles",
    ],
)
def test_plain_words_stay(text: str) -> None:
    """A line without a secret is left as it is."""
    assert Redactor()(text) == text


def test_known_values_go_wherever_they_stand() -> None:
    """Also in the middle of a word and in a path; the longer of two goes as a whole; a very short one is left."""
    redact = Redactor(["open-sesame", "open-sesame-two", "abc"])
    assert redact("/x/open-sesame-two/y open-sesameZ abc") == f"/x/{HIDDEN}/y {HIDDEN}Z abc"


def test_every_variable_that_settings_name_is_a_secret() -> None:
    """At any depth and in lists; what is not set adds nothing."""
    settings = {"api_token_env": "A", "serving": ({"control_token_env": "B", "cluster": "x"},), "slack": {"u_env": "C"}}
    assert secret_values(settings, {"A": "one", "B": "two", "x": "no"}) == {"one", "two"}
