"""An incident's picture: what stands on it, how wide it is, and what a screen reader says of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from opsbot.chart import incident_chart, style
from opsbot.chart.incident_chart import _apart, draw
from opsbot.chart.incident_words import alt_text
from opsbot.chart.picture import MOST_ALT_CHARS, Theme
from opsbot.vitals.moment import Moment
from tests.support.courses import END_S, make_course

THEMES = get_args(Theme)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, to be looked into."""
    found: list[Figure] = []
    real = style.new_figure

    def kept(*arguments: object) -> Figure:
        found.append(real(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(incident_chart, "new_figure", kept)
    return found


def texts(figure: Figure) -> list[str]:
    """Everything that is written on it."""
    return [text.get_text() for text in figure.texts] + [t.get_text() for axes in figure.axes for t in axes.texts]


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_twice_a_phones_width_on_its_own_ground(theme: Theme) -> None:
    """So letters are read at 390 px, and either theme in either client."""
    picture = Image.open(io.BytesIO(draw(make_course(), "KV cache pressure on eu-1", theme)))
    assert 760 <= picture.width <= 800
    assert picture.height < 1_000
    corner = picture.convert("RGB").getpixel((2, 2))
    assert "#{:02x}{:02x}{:02x}".format(*corner) == style.PALETTES[theme].ground  # type: ignore[misc]


def test_every_number_moment_and_level_is_in_words(figures: list[Figure]) -> None:
    """No colour and no line is the only carrier of a meaning."""
    draw(make_course(), "KV cache pressure on eu-1", "light")
    said = texts(figures[0])
    for wanted in (
        "KV cache pressure on eu-1", "eu-1, 13:50 to 14:20 UTC", "KV cache used", "93%", "alert at 85%",
        "Waiting requests", "14", "Preemptions", "80 a minute", "opened", "acknowledged", "Resize the batch",
        "failed: Ask for $values$ of eu-1", "resolved", "14:10",
    ):  # fmt: skip
        assert wanted in said, wanted
    assert len(figures[0].axes) == 3


def test_a_gap_is_no_line(figures: list[Figure]) -> None:
    """Nothing was read for five minutes: the line is broken there."""
    draw(make_course(), "x", "light")
    values = np.asarray(figures[0].axes[2].lines[0].get_ydata(), dtype=np.float64)
    assert np.isnan(values).sum() == 1


def test_nothing_stands_out_of_the_picture(figures: list[Figure]) -> None:
    """A long title takes two lines, a long step is cut, and the last time is not at the edge."""
    title = "One in ten requests to llama-3.1-70b on eu-west-1 waits two minutes or longer for its turn, and more do"
    step = Moment(
        END_S - 60, "failed", "failed: Ask the team that serves the neighbouring region for what it can spare"
    )
    draw(make_course(moments=(step,)), title, "light")
    (figure,) = figures
    assert sum(text.get_fontweight() == "bold" and text.get_fontsize() == style.LARGE for text in figure.texts) == 2 + 3
    words = [*figure.texts, *figure.axes[-1].get_xticklabels()]
    boxes = [word.get_window_extent() for word in words if word.get_text()]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width


def test_a_level_far_above_is_said_instead_of_drawn(figures: list[Figure]) -> None:
    """Else the line would lie on the ground; a share keeps its scale."""
    course = make_course()
    waiting = replace(course.tracks[1], level=500.0, is_rule=True)
    draw(replace(course, tracks=(course.tracks[0], waiting)), "x", "light")
    assert "alert at 500, above this" in texts(figures[0])
    assert figures[0].axes[1].get_ylim()[1] < 20
    assert figures[0].axes[0].get_ylim()[1] > 0.85


def test_moments_outside_the_half_hour_are_left_out(figures: list[Figure]) -> None:
    """An incident of yesterday evening has no line at the edge."""
    draw(make_course(moments=(Moment(END_S - 7200, "opened", "opened"),)), "x", "dark")
    assert "opened" not in texts(figures[0])


@pytest.mark.parametrize(
    "title",
    ["", "x" * 5000, "$\\frac{1}{0}$ 100% {}", "‮rtl \u200b أوبس 事故 🔥", "<!channel> & <b>", "a\nb\tc"],
)
@pytest.mark.filterwarnings("error")
def test_any_title_is_drawn(title: str) -> None:
    """No formula, no missing glyph, no markup: text is text."""
    course = make_course(moments=(Moment(END_S - 60, "done", title),))
    assert draw(course, title, "light").startswith(b"\x89PNG")


def test_numbers_of_moments_do_not_cover_each_other() -> None:
    """They move apart, in order; those that stand apart stay."""
    assert _apart([0.0, 1.0, 2.0, 500.0], 1000.0) == [0.0, 36.0, 72.0, 500.0]


def test_the_alt_text_says_what_the_picture_shows() -> None:
    """Sentences without symbols: whence, whither, the most, the alert's level, and what happened."""
    said = alt_text(make_course())
    assert said.startswith(
        "eu-1, the 30 minutes to 14:20 UTC. KV cache used rose from 44% to 93%; the alert's level is 85%. "
        "Waiting requests rose from 1 to 14. Preemptions rose from 0 a minute to 80 a minute. "
    )
    assert said.endswith(
        "Marked: 14:10 opened; 14:10 acknowledged; 14:11 failed: Ask for $values$ of eu-1; 14:12 Resize the batch;"
        " 14:15 resolved."
    )
    steady = alt_text(make_course(kv_before=0.5, kv_now=0.5, moments=()))
    assert "KV cache used stayed at 50%" in steady
    assert "Marked" not in steady


def test_an_alt_text_fits() -> None:
    """Slack refuses longer ones."""
    long = make_course(moments=tuple(Moment(END_S - 60, "done", "w" * 400) for _ in range(8)))
    assert len(alt_text(long)) == MOST_ALT_CHARS


def test_a_rise_and_fall_says_the_most() -> None:
    """A picture that ends well still says how bad it was."""
    course = make_course(kv_before=0.5, kv_now=0.5, moments=())
    kv = course.tracks[0]
    points = [(at, 0.97 if 40 < index < 60 else value) for index, (at, value) in enumerate(kv.points)]
    object.__setattr__(kv, "points", points)
    assert "KV cache used stayed at 50%, at most 97% at 14:00" in alt_text(course)
