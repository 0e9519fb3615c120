"""What a local workspace needs of this process, and what the log may not show."""

from __future__ import annotations

from opsbot.slack.app import SlackSettings, forget_outside_settings

PROXIED = {"HTTPS_PROXY": "http://p:1", "http_proxy": "http://p:1", "SLACK_CLIENT_ID": "1", "PATH": "/bin"}


def test_a_local_workspace_is_never_asked_through_a_proxy() -> None:
    """The library would send even loopback calls to it, so the variables are removed."""
    environ = dict(PROXIED)
    forget_outside_settings(SlackSettings("b", "a", "http://127.0.0.1:8065/api/", "incidents"), environ)
    assert environ == {"PATH": "/bin"}


def test_the_real_slack_keeps_its_proxy() -> None:
    """A site may need it to get out."""
    environ = dict(PROXIED)
    forget_outside_settings(SlackSettings("b", "a", None, "incidents"), environ)
    assert environ == PROXIED


def test_tokens_are_not_printed() -> None:
    """A settings object in a log line shows where Slack is, not who we are."""
    shown = repr(SlackSettings("xoxb-secret", "xapp-secret", None, "incidents"))
    assert "secret" not in shown
