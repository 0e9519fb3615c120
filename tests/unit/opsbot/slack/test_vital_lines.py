"""Numbers and charts as Slack shows them."""

from __future__ import annotations

from opsbot.incident.incident import IncidentState
from opsbot.slack.blocks import incident_message
from opsbot.slack.vital_lines import Number, Shown, chart_blocks, number_line
from opsbot.slack_vitals import number_of
from opsbot.vitals.figure import FIGURES
from opsbot.vitals.reading import Reading
from tests.support.incident_views import OPENED_AT, make_incident, make_view

RISING = Number("KV cache used", "93%", "↗ rising, 71% 10m ago", is_bad=True)


def test_an_arrow_never_stands_alone() -> None:
    """Its word is beside it, and so is whether it is bad."""
    assert number_line(RISING) == "KV cache used *93%* ↗ rising, 71% 10m ago · *bad*"
    assert number_line(Number("Waiting", "not known")) == "Waiting *not known*"


def test_a_reading_is_shown_with_where_it_goes() -> None:
    """Bad is a level that is too high, or a way that is wrong."""
    figure = next(one for one in FIGURES.values() if one.key == "kv")
    reading = Reading(figure, 0.93, 0.71, 600.0, "rising", "bad", True, "93%", "71%")
    assert number_of(reading) == Number(figure.name, "93%", "↗ rising, 71% 10m ago", is_bad=True)
    calm = Reading(figure, 0.2, None, 600.0, None, "even", False, "20%", "not known")
    assert number_of(calm) == Number(figure.name, "20%", "", is_bad=False)


def test_numbers_come_before_the_buttons_and_the_chart_last() -> None:
    """At most three numbers, with the time at which they were read, instead of the rule's last value."""
    shown = Shown([RISING] * 5, OPENED_AT, "F1", "It rises.", "30 minutes")
    blocks = [block.to_dict() for block in incident_message(make_view(), OPENED_AT, shown).blocks]
    assert [block["type"] for block in blocks] == ["header", "section", "section", "actions", "section", "image"]
    lines = blocks[2]["text"]["text"].splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("· *bad* (at <!date^1790000000^{time}|14:13 UTC>)")
    assert "Last value" not in str(blocks)
    assert blocks[5] == {
        "type": "image",
        "block_id": "chart:INC-1",
        "slack_file": {"id": "F1"},
        "alt_text": "It rises.",
        "title": {"type": "plain_text", "text": "30 minutes", "emoji": False},
    }


def test_a_resolved_incident_keeps_its_chart_but_not_its_numbers() -> None:
    """Numbers of then are not numbers of now."""
    view = make_view(make_incident(IncidentState.RESOLVED, resolved_at=OPENED_AT + 60))
    shown = Shown([RISING], OPENED_AT, "F1", "It fell.")
    blocks = incident_message(view, OPENED_AT + 90, shown).blocks
    assert [block.type for block in blocks] == ["header", "section", "image", "actions"]


def test_a_picture_without_words_has_some_all_the_same() -> None:
    """Slack wants an alt text, and so do people who cannot see it."""
    (image,) = chart_blocks("INC-1", Shown(file_id="F1", alt_text=" \u200b "))
    assert image.to_dict()["alt_text"] == "Chart of the incident"
