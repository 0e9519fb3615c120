"""What others call severe, on our scale."""

from __future__ import annotations

import pytest

from opsbot.alert.alert import Alert, AlertState, Severity
from opsbot.alert.severity import OTHERS_WORDS, SEVERITIES, to_severity


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("critical", "critical"),
        ("CRITICAL", "critical"),
        ("page", "critical"),
        ("P1", "critical"),
        ("sev-1", "critical"),
        ("SEV 2", "high"),
        ("error", "high"),
        (" Warning ", "medium"),
        ("P3", "medium"),
        ("minor", "low"),
        ("ok", "info"),
        ("P5", "info"),
        ("", None),
        ("severe", None),
    ],
)
def test_a_word_has_its_place(word: str, expected: Severity | None) -> None:
    """Whatever its case, with or without a dash; a word that nobody says has none."""
    assert to_severity(word) == expected


def test_every_word_has_one_place() -> None:
    """No word of others is one of ours, and each of our steps has some of theirs."""
    assert not OTHERS_WORDS.keys() & set(SEVERITIES)
    assert set(OTHERS_WORDS.values()) == set(SEVERITIES)


def test_an_alert_is_read_on_our_scale_and_keeps_its_label() -> None:
    """The label is part of the alert's identity; only the reading translates it."""
    alert = Alert({"alertname": "A", "severity": "page"}, {}, AlertState.FIRING, 0.0)
    assert (alert.severity, alert.labels["severity"]) == ("critical", "page")
    assert Alert({"alertname": "A", "severity": "whatever"}, {}, AlertState.FIRING, 0.0).severity == "medium"
