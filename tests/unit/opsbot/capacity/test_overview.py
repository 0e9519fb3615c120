"""The picture of a whole fleet: which line is whose, and what is drawn where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure

from opsbot.capacity import overview
from opsbot.capacity.chart_style import MARK, png
from opsbot.capacity.forecast import Readings
from opsbot.capacity.mark import Mark
from opsbot.capacity.overview import draw_overview
from opsbot.capacity.usage import Bound, Cluster

PNG = b"\x89PNG\r\n\x1a\n"
START_S, STEP_S = 1_800_000_000.0, 60.0
NAN = math.nan


def cluster(
    name: str,
    tokens: Sequence[float],
    shares: Mapping[Bound, Sequence[float]] | None = None,
    at_most: frozenset[Bound] = frozenset(),
) -> Cluster:
    """A cluster with readings each minute."""
    known = {bound: Readings(START_S, STEP_S, values) for bound, values in (shares or {}).items()}
    return Cluster(name, "llama-3.1-70b", Readings(START_S, STEP_S, tokens), known, at_most=at_most)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that pictures were made of."""
    drawn: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        drawn.append(figure)
        return png(figure)

    monkeypatch.setattr(overview, "png", keep)
    return drawn


def rows(figure: Figure) -> dict[str, list[float]]:
    """How full each line is, by name, from the top."""
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    (image,) = figure.axes[1].get_images()
    shares = image.get_array()
    assert shares is not None
    values: list[list[float]] = np.ma.masked_invalid(shares).filled(NAN).tolist()
    return dict(zip(names, values, strict=True))


def load(figure: Figure) -> list[float]:
    """Tokens a minute of all together."""
    (line, *_) = figure.axes[0].get_lines()
    return [float(value) for value in np.asarray(line.get_ydata())]


def test_the_fullest_first(figures: list[Figure]) -> None:
    """A cluster is as full as the fullest of its bounds at that time, and the load is that of all."""
    idle = cluster("idle", (1, 2, 3), {"KV": (0.1, 0.2, 0.1), "batch": (0.2, 0.1, 0.1)})
    full = cluster("full", (10, 20, 30), {"batch": (0.9, 0.9, 1.0)})
    half = cluster("half", (4, 4, 4), {"KV": (0.5, 0.5, 0.5), "compute": (0.1, 0.1, 0.1)})
    picture = draw_overview([idle, full, half], [Mark(START_S + 60, "launch")])
    assert picture.startswith(PNG)
    (figure,) = figures
    assert rows(figure) == {"full": [0.9, 0.9, 1.0], "half": [0.5, 0.5, 0.5], "idle": [0.2, 0.2, 0.1]}
    assert list(rows(figure)) == ["full", "half", "idle"]
    assert load(figure) == [15, 26, 37]
    assert [text.get_text() for text in figure.axes[0].texts] == ["launch"]
    assert all(any(line.get_color() == MARK for line in axes.get_lines()) for axes in figure.axes[:2])


def test_what_is_unknown_is_empty(figures: list[Figure]) -> None:
    """Not 0: neither where no bound is known nor where a share is only an upper limit; such lines come last."""
    unknown = cluster("unknown", (1, 1))
    bounded = cluster("bounded", (1, 1), {"compute": (0.99, 0.99)}, frozenset({"compute"}))
    known = cluster("known", (1, 1), {"KV": (0.0, 0.1), "compute": (0.9, 0.9)}, frozenset({"compute"}))
    assert draw_overview([unknown, bounded, known], ()).startswith(PNG)
    lines = rows(figures[0])
    assert next(iter(lines)) == "known"
    assert lines["known"] == [0.0, 0.1]
    assert all(math.isnan(value) for name in ("unknown", "bounded") for value in lines[name])


def test_gaps(figures: list[Figure]) -> None:
    """A time without a reading is left out of the sum and of the line, and a known bound stands in for another."""
    gappy = cluster("gappy", (NAN, 5, NAN), {"KV": (NAN, 0.4, NAN), "batch": (NAN, NAN, 0.3)})
    other = cluster("other", (1, 1, 1), {"KV": (0.1, 0.1, 0.1)})
    assert draw_overview([other, gappy], ()).startswith(PNG)
    assert rows(figures[0])["gappy"] == pytest.approx([NAN, 0.4, 0.3], nan_ok=True)
    assert load(figures[0]) == [1, 6, 1]


def test_nothing_but_gaps(figures: list[Figure]) -> None:
    """A fleet of which nothing was read is an empty picture, and no error."""
    silent = cluster("silent", (NAN, NAN), {"KV": (NAN, NAN)})
    assert draw_overview([silent], ()).startswith(PNG)
    assert load(figures[0]) == [0, 0]


@pytest.mark.parametrize("tokens", [(7.0,), (NAN, NAN, 7.0)], ids=["a single time", "the last of several"])
def test_a_single_reading(figures: list[Figure], tokens: Sequence[float]) -> None:
    """A source that is as young as that has a picture too."""
    young = cluster("young", tokens, {"KV": [0.5] * len(tokens)})
    assert draw_overview([young], [Mark(young.tokens.end_s, "first light")]).startswith(PNG)
    assert load(figures[0])[-1] == 7
