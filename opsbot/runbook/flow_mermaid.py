"""A runbook's picture as Mermaid text, for pages and reviews that draw it themselves."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.runbook.flow import Card, Flow

SAFE = frozenset(" .,:/_-=%+")
CLASSES = (
    "classDef reads fill:#eef3f8,stroke:#6b8299,color:#1d2a35",
    "classDef changes fill:#fdf3df,stroke:#b7791f,color:#1d2a35",
    "classDef risky fill:#fbe4e1,stroke:#b3261e,color:#1d2a35",
    "classDef out fill:#ffffff,stroke:#9aa5b1,color:#3d4852",
    "classDef ends fill:#e8f3ea,stroke:#2e7d4f,color:#1d2a35",
)


def mermaid(flow: Flow) -> str:
    """The text of a flowchart."""
    return "\n".join(["flowchart TD", *(f"  {line}" for line in _lines(flow))]) + "\n"


def _lines(flow: Flow) -> Iterator[str]:
    yield f'start(["{_text(*flow.starts)}"]):::ends'
    before = "start"
    for index, card in enumerate(flow.cards, 1):
        node = f"s{index}"
        yield f'{node}["{_card(card)}"]:::{card.kind}'
        yield f"{before} --> {node}"
        for number, way in enumerate(card.ways_out, 1):
            if not way.goes_on:
                yield f'{node}x{number}["{_text(way.then)}"]:::out'
                yield f'{node} -. "{_text(way.when)}" .-> {node}x{number}'
        before = node
    yield f'broken["{_text("If a step breaks", flow.broken)}"]:::risky'
    yield f'held(["{_text("Afterwards", flow.held)}"]):::ends'
    yield f"{before} --> held"
    before = "held"
    for index, card in enumerate(flow.finals, 1):
        yield f'f{index}["{_card(card)}"]:::{card.kind}'
        yield f"{before} --> f{index}"
        before = f"f{index}"
    yield from CLASSES


def _card(card: Card) -> str:
    number = f"{card.number}. " if card.number else "finally: "
    marks = [f"{mark.label}: {mark.text}" for mark in card.marks]
    return _text(f"{number}{card.title}", card.uses, *marks)


def _text(*lines: str) -> str:
    """Lines of a label: whatever Mermaid or HTML would read as its own is written as a character's number."""
    plain = (" ".join(line.split()) for line in lines)
    return "<br/>".join("".join(map(_character, line)) for line in plain)


def _character(one: str) -> str:
    return one if one.isalnum() or one in SAFE else f"#{ord(one)};"
