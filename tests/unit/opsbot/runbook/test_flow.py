"""Pictures of runbooks: what they say, that they can be read by what reads them, and that nothing breaks out."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from opsbot.cli import main
from opsbot.runbook.flow import Flow, flow
from opsbot.runbook.flow_mermaid import mermaid
from opsbot.runbook.flow_picture import draw
from tests.support.runbooks import registry, runbook

ROOT = Path(__file__).parents[4]
SMALL = ROOT / "tests/data/runbooks/kv-cache-pressure.yaml"
LARGE = ROOT / "tests/data/runbooks/good/surge.yaml"


def flow_of(text: str) -> Flow:
    """What the picture says."""
    return flow(runbook(text), registry())


def large() -> Flow:
    """Eight steps and one at the end, with every mark."""
    return flow_of(LARGE.read_text(encoding="utf-8"))


def test_steps_carry_their_marks() -> None:
    """In the order in which they happen."""
    everywhere = large().cards[3]
    assert [mark.label for mark in everywhere.marks] == [
        "if", "for each", "with", "asks", "announces", "lease", "verifies",
    ]  # fmt: skip
    assert everywhere.marks[1].text == "fleet.clusters, verified after 1, 25%, 100%"
    assert everywhere.marks[3].text == "2 of commanders or trust & safety, for 15m"
    assert (everywhere.kind, large().cards[0].kind) == ("changes", "reads")


def test_every_way_out_is_there() -> None:
    """What ends the run is told from what goes on."""
    found = {card.step_id: [(way.when, way.goes_on) for way in card.ways_out] for card in large().cards}
    assert found["everywhere"] == [
        ("if false", True),
        ("refused, or no decision", False),
        ("somebody objects", False),
        ("not verified", False),
    ]
    assert found["one"][2] == ("not verified", True)
    assert found["wait"] == [("it breaks", True)]
    assert found["least"][1] == ("somebody objects", True)


def test_the_ends_name_what_is_taken_back() -> None:
    """The youngest first, as a rollback does it."""
    content = large()
    order = "The smallest batch there is → Resize the batch everywhere → Resize the batch on the cluster that complains"
    assert content.broken.endswith(order)
    assert content.held.endswith(order)
    assert [card.step_id for card in content.finals] == ["report"]
    kept = flow_of(LARGE.read_text(encoding="utf-8").replace("limits:", "on_failure: stop\non_resolve: keep\nlimits:"))
    assert kept.broken == "no further step; what was set is kept until the incident ends"
    assert kept.held == "leases are kept until the incident ends, then run out by themselves"


def test_suggest_asks_where_no_approval_is_written() -> None:
    """The picture shows what happens, not only what is written."""
    text = SMALL.read_text(encoding="utf-8")
    bare = re.sub(r"    approval:\n(      .*\n)+", "", text)
    assert bare != text
    assert "asks" in [mark.label for mark in flow_of(bare).cards[1].marks]
    assert "asks" not in [mark.label for mark in flow_of(bare.replace("mode: suggest", "mode: auto")).cards[1].marks]


@pytest.mark.parametrize("path", [SMALL, LARGE], ids=["small", "large"])
def test_pictures_are_pictures(path: Path) -> None:
    """The SVG is XML of the right kind, the PNG an image as tall as the runbook is long; both the same each time."""
    content = flow_of(path.read_text(encoding="utf-8"))
    svg, png = draw(content, "svg"), draw(content, "png")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  (our own drawing)
    height, width = imread(io.BytesIO(png)).shape[:2]
    assert width == 1144
    assert height > 100 * (len(content.cards) + 2)
    assert draw(content, "svg") == svg


HOSTILE = 'a"] --> x; `%%{init}` <script>$\\frac{$ #quot; end'


def test_nothing_that_is_written_breaks_out() -> None:
    """Quotes, brackets, dollar signs and HTML in a runbook are text in each form."""
    text = SMALL.read_text(encoding="utf-8").replace("    name: Resize the batch\n", f"    name: '{HOSTILE}'\n")
    content = flow_of(text)
    assert "<script>" in content.cards[1].title
    written = mermaid(content)
    assert "<script" not in written
    for line in written.splitlines():
        quoted = re.findall(r'"([^"]*)"', line)
        assert all(not set(re.sub(r"<br/>|#\d+;", "", label)) & set('"[]{}<>`;|#$') for label in quoted)
    ElementTree.fromstring(draw(content, "svg"))  # noqa: S314  (our own drawing)
    assert draw(content, "png")


def test_mermaid_has_a_node_for_each_step_and_leads_to_the_end() -> None:
    """One chain from the start over every step to the end and what is made finally."""
    written = mermaid(large())
    chain = ["start", *(f"s{number}" for number in range(1, 9)), "held", "f1"]
    for one, next_one in pairwise(chain):
        assert f"  {one} --> {next_one}\n" in written
    assert written.startswith("flowchart TD\n")


def graph(*arguments: str) -> tuple[int, str]:
    """Exit status and output of the command."""
    result = CliRunner().invoke(main, ["graph", *arguments])
    return result.exit_code, result.output


def test_the_command_writes_each_form(tmp_path: Path) -> None:
    """By the file's ending; without a file Mermaid goes to the terminal."""
    assert graph(str(SMALL))[1].startswith("flowchart TD\n")
    for form, begins in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".mmd", b"flowchart TD")):
        path = tmp_path / f"picture{form}"
        assert graph(str(SMALL), "--output", str(path)) == (0, f"wrote {path}\n")
        assert path.read_bytes().startswith(begins)
    status, output = graph(str(SMALL), "--output", "picture.gif")
    assert status == 2
    assert "picture.gif ends in none of .svg, .png, .mmd" in output


def test_a_broken_runbook_is_not_drawn(tmp_path: Path) -> None:
    """Its problems are told instead."""
    path = tmp_path / "bad.yaml"
    path.write_text("version: 2\n")
    status, output = graph(str(path))
    assert status == 1
    assert f"{path}:1:10: version: 1 is needed, not 2" in output
