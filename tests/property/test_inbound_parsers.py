"""Whatever JSON is posted, a parser answers events or says what is wrong; nothing else ever comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.web.inbound.errors import MalformedError
from opsbot.web.inbound.parsed import MAX_LABEL_CHARS, MAX_LABELS
from opsbot.web.inbound.receiver import PARSERS, ReceiverKind
from tests.unit.opsbot.web.inbound.examples import DATADOG, GRAFANA

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(
        [
            "firing",
            "resolved",
            "2026-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "Recovered",
        ]
    )
)
KEYS = st.sampled_from(
    [*GRAFANA["alerts"][0], *DATADOG, "id", "status", "name", "severity", "starts_at", "ends_at", "value", "alertname"]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXTS, inner, max_size=12)
)
LABELS = st.dictionaries(KEYS | TEXTS, TEXTS, max_size=6).map(lambda labels: {"alertname": "A", **labels})
ITEMS = st.dictionaries(KEYS, VALUES, max_size=12) | st.builds(
    lambda item, labels: {**GRAFANA["alerts"][0], **item, "labels": labels},
    st.dictionaries(KEYS, VALUES, max_size=3),
    LABELS,
)
BODIES = VALUES | st.builds(
    lambda items, more: {**more, "alerts": items, "events": items},
    st.lists(ITEMS | VALUES, max_size=4),
    st.builds(lambda more: {**DATADOG, **more}, st.dictionaries(KEYS, VALUES, max_size=6)),
)


@pytest.mark.parametrize("kind", PARSERS)
@given(body=BODIES)
def test_nothing_but_events_or_a_reason(kind: ReceiverKind, body: Any) -> None:
    """Each item is an event or a line; each event can be stored: named, bounded, text in UTF-8 without NUL."""
    try:
        parsed = PARSERS[kind](body, "source", 1767225600.0)
    except MalformedError:
        return
    if kind != "datadog":
        assert len(parsed.events) + len(parsed.rejected) == len(body["events" if kind == "generic" else "alerts"])
    assert all("\n" not in line for line in parsed.rejected)
    for event in parsed.events:
        alert = event.alert
        assert alert.name != "unnamed"
        assert len(alert.labels) <= MAX_LABELS + 2
        assert 0 <= alert.starts_at < 4102444800
        for text in (*alert.labels, *alert.labels.values(), *alert.annotations, *alert.annotations.values()):
            assert "\0" not in text.encode().decode()
        assert all(len(value) <= MAX_LABEL_CHARS for value in alert.labels.values())
