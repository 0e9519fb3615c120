"""Draws a runbook as SVG or PNG: a ladder of steps, the ways out on its right, the ends below.

A runbook is a list with exits, so the layout is simple arithmetic; a graph layout would bend it.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from opsbot.runbook.flow import Card, Flow, MarkKind, WayOut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, LINE, RED = "#1d2a35", "#5b6770", "#9aa5b1", "#b3261e"
FACES = {"reads": "#eef3f8", "changes": "#fdf3df", "risky": "#fbe4e1"}
EDGES = {"reads": "#6b8299", "changes": "#b7791f", "risky": "#b3261e"}
MARKS: dict[MarkKind, str] = {
    "if": "#5b6770", "each": "#5b6770", "asks": "#7a3fa0", "says": "#1f6fb2",
    "lease": "#8a6d1a", "verify": "#2e7d4f", "undo": "#b3261e", "reads": "#6b8299", "with": "#b7791f",
}  # fmt: skip

FONTS = ["DejaVu Sans", "Verdana", "sans-serif"]
"""All as wide; an SVG names them and keeps its text as text."""
WIDTH = 10.4
LEFT, CARD_W = 0.35, 6.1
OUT_X, OUT_W = 7.15, 2.9
MARK_X = 0.95
ROW, TITLE, PAD, GAP = 0.235, 0.27, 0.13, 0.34
CARD_CHARS, OUT_CHARS, START_CHARS = 66, 38, 72
MOST_LINES = 2
"""Of one mark; what is longer stands in the file."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A card with its texts wrapped, and its height, inches."""

    card: Card
    title: tuple[str, ...]
    rows: tuple[tuple[MarkKind, str, tuple[str, ...]], ...]
    outs: tuple[tuple[WayOut, tuple[str, ...]], ...]
    height: float


def draw(flow: Flow, form: Literal["svg", "png"]) -> bytes:
    """The picture."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    blocks = [_block(card) for card in flow.cards]
    finals = [_block(card) for card in flow.finals]
    starts = _wrapped(" or ".join(flow.starts), START_CHARS, 4)
    broken = _wrapped(f"If a step breaks: {flow.broken}", OUT_CHARS - 3, 9)
    held = _wrapped(f"Afterwards: {flow.held}", CARD_CHARS, 9)
    start_h, end_h = PAD * 2 + ROW * len(starts), PAD * 2 + ROW * max(len(broken), len(held))
    height = 0.95 + start_h + sum(GAP + one.height for one in (*blocks, *finals)) + GAP + end_h + 0.2
    with matplotlib.rc_context({"svg.hashsalt": flow.title, "svg.fonttype": "none", "font.sans-serif": FONTS}):
        figure = Figure(figsize=(WIDTH, height), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(height, 0)
        axes.axis("off")
        axes.text(
            LEFT, 0.32, _cut(flow.title, 70), fontsize=14, weight="bold", color=INK, va="center", parse_math=False
        )
        axes.text(LEFT, 0.62, _cut(flow.subtitle, 120), fontsize=9, color=SOFT, va="center", parse_math=False)
        y = 0.85
        _round(axes, LEFT, y, CARD_W, start_h, "#e8f3ea", "#2e7d4f")
        _lines(axes, LEFT + 0.2, y + PAD, starts, weight="bold")
        y += start_h
        for block in blocks:
            _arrow(axes, y)
            y += GAP
            _card(axes, block, y)
            y += block.height
        _arrow(axes, y)
        y += GAP
        _rail(axes, 0.85 + start_h + GAP, y)
        _round(axes, LEFT, y, CARD_W, end_h, "#e8f3ea", "#2e7d4f")
        _lines(axes, LEFT + 0.2, y + PAD, held)
        _round(axes, OUT_X, y, OUT_W, end_h, FACES["risky"], RED)
        _lines(axes, OUT_X + 0.12, y + PAD, broken, size=8.6)
        y += end_h
        for block in finals:
            _arrow(axes, y, "finally")
            y += GAP
            _card(axes, block, y)
            y += block.height
        picture = io.BytesIO()
        # Without a date the same runbook is the same file.
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(picture, format=form, metadata=metadata)
    return picture.getvalue()


def _block(card: Card) -> _Block:
    title = _wrapped(f"{card.number}. {card.title}" if card.number else card.title, 52, 2)
    rows = tuple((mark.kind, mark.label, _wrapped(mark.text, CARD_CHARS - 10, MOST_LINES)) for mark in card.marks)
    outs = tuple((way, _wrapped(f"{way.when}: {way.then}", OUT_CHARS, 3)) for way in card.ways_out)
    inner = TITLE * len(title) + ROW + ROW * sum(len(texts) for _, _, texts in rows)
    beside = sum(ROW * len(texts) + 0.14 for _, texts in outs) - 0.14 if outs else 0.0
    return _Block(card, title, rows, outs, max(inner + 2 * PAD + 0.02, beside))


def _card(axes: Axes, block: _Block, y: float) -> None:
    card = block.card
    _round(axes, LEFT, y, CARD_W, block.height, FACES[card.kind], EDGES[card.kind])
    at = y + PAD
    for text in block.title:
        axes.text(
            LEFT + 0.2, at + TITLE / 2, text, fontsize=10.5, weight="bold", color=INK, va="center", parse_math=False
        )
        at += TITLE
    axes.text(LEFT + 0.2, at + ROW / 2, card.uses, fontsize=8.5, family="DejaVu Sans Mono", color=SOFT, va="center")
    at += ROW
    for kind, label, texts in block.rows:
        axes.text(
            LEFT + 0.2, at + ROW / 2, label, fontsize=7.8, color="white", va="center", weight="bold",
            bbox={"boxstyle": "round,pad=0.18", "facecolor": MARKS[kind], "edgecolor": "none"},
        )  # fmt: skip
        _lines(axes, LEFT + 0.15 + MARK_X, at, texts, size=8.6)
        at += ROW * len(texts)
    at = y
    for way, texts in block.outs:
        tall = ROW * len(texts) + 0.06
        colour = LINE if way.goes_on else RED
        axes.annotate(
            "", (OUT_X, at + tall / 2), (LEFT + CARD_W, at + tall / 2),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linestyle": ":" if way.goes_on else "-", "lw": 1.1},
        )  # fmt: skip
        _round(axes, OUT_X, at, OUT_W, tall, "white", colour)
        _lines(axes, OUT_X + 0.1, at + 0.03, texts, size=8.2, colour=SOFT if way.goes_on else INK)
        at += tall + 0.08


def _rail(axes: Axes, top: float, bottom: float) -> None:
    """From every step to what happens when one breaks."""
    x = WIDTH - 0.17
    axes.plot([x, x], [top, bottom + 0.12], color=RED, linewidth=1.1, linestyle="--")
    axes.annotate(
        "", (WIDTH - LEFT, bottom + 0.12), (x + 0.02, bottom + 0.12),
        arrowprops={"arrowstyle": "-|>", "color": RED, "lw": 1.1},
    )  # fmt: skip
    axes.text(x + 0.1, top + 0.05, "a step breaks", fontsize=7, color=RED, rotation=90, ha="center", va="top")


def _arrow(axes: Axes, y: float, label: str = "") -> None:
    x = LEFT + 0.6
    axes.annotate("", (x, y + GAP), (x, y), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.4})
    if label:
        axes.text(x + 0.15, y + GAP / 2, label, fontsize=8.5, color=SOFT, va="center", style="italic")


def _round(axes: Axes, x: float, y: float, wide: float, tall: float, face: str, edge: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (x, y), wide, tall, boxstyle="round,pad=0,rounding_size=0.08", facecolor=face, edgecolor=edge, linewidth=1.1
        )
    )


def _lines(
    axes: Axes, x: float, y: float, texts: Sequence[str], *, size: float = 9, colour: str = INK, weight: str = "normal"
) -> None:
    for index, text in enumerate(texts):
        middle = y + ROW * (index + 0.5)
        # Else a dollar sign would begin a formula.
        axes.text(x, middle, text, fontsize=size, color=colour, va="center", weight=weight, parse_math=False)


def _wrapped(text: str, chars: int, most: int) -> tuple[str, ...]:
    return tuple(textwrap.wrap(" ".join(text.split()), chars, max_lines=most, placeholder=" …")) or ("",)


def _cut(text: str, chars: int) -> str:
    return _wrapped(text, chars, 1)[0]
