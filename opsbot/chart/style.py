"""What all pictures share: two palettes that colour-blind people tell apart, sizes that are read on a phone, a figure
without a screen, and texts that the font can draw.

A picture is drawn twice as wide as a phone shows it, so letters of 10 points are read there. Colours are those of
Okabe and Ito 2008, "Color Universal Design"; none carries a meaning that words do not carry too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from opsbot.chart.picture import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, DPI = 5.6, 140
LARGE, PLAIN, SMALL = 13.0, 10.5, 9.5
"""Points."""
FONT = "DejaVu Sans"
"""Comes with matplotlib."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme."""

    ground: str
    ink: str
    soft: str
    grid: str
    line: str
    other: str
    bad: str
    good: str
    mark: str


PALETTES: Mapping[Theme, Palette] = {
    "light": Palette(
        ground="#ffffff", ink="#1d1c1d", soft="#5c5b5d", grid="#e4e4e6", line="#0072b2", other="#8a8a8d",
        bad="#c04a00", good="#00795a", mark="#7a4b87",
    ),
    "dark": Palette(
        ground="#1a1d21", ink="#e8e8ea", soft="#a9abae", grid="#34373c", line="#56b4e9", other="#8d9095",
        bad="#ff9a52", good="#3fc79a", mark="#d8a3e6",
    ),
}  # fmt: skip


def new_figure(height_in: float, palette: Palette) -> Figure:
    """A figure that is drawn without a screen, and without the state that pyplot shares."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor=palette.ground)
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes, palette: Palette) -> None:
    """Only what is read: faint lines across, no frame."""
    axes.set_facecolor(palette.ground)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    axes.grid(axis="y", color=palette.grid, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL, colors=palette.soft, length=0, pad=3)


def write(figure: Figure, x: float, y: float, text: str, **how: Any) -> None:
    """Text at a place of the whole picture, 0 to 1; a dollar sign begins no formula."""
    figure.text(x, y, drawable(text), parse_math=False, **{"va": "baseline", **how})


def png(figure: Figure) -> bytes:
    """The picture; the same values are the same file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None}, facecolor=figure.get_facecolor())
    return picture.getvalue()


def clock_of(at_s: float, *, with_day: bool = False) -> str:
    """`14:13` or `Mon 14:13`, UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%a %H:%M" if with_day else "%H:%M")


def drawable(text: str, most: int = 90) -> str:
    """One line that the font can draw: other characters become a dot, and what is too long is cut."""
    known = _characters()
    line = "".join(one if ord(one) in known else "·" for one in " ".join(text.split()))
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(FONT)).get_charmap())
