"""The examples of docs/roofline.md are what the command says."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from serving_stub.__main__ import main
from serving_stub.roofline.catalogue import load_catalogue

PAGE = (Path(__file__).parents[2] / "docs/roofline.md").read_text(encoding="utf-8")


def test_the_example_is_what_the_command_prints() -> None:
    """Line by line, but for the room between the columns."""
    example = re.findall(r"^    (.*)$", PAGE.split("```")[0], re.MULTILINE)
    command = example[0].removeprefix("$ python -m serving_stub ")
    printed = [line.split() for line in CliRunner().invoke(main, command.split()).output.splitlines()]
    for line in example[1:]:
        if "──" not in line and line.strip():
            assert line.split() in printed


def test_the_catalogue_of_the_page_can_be_read(tmp_path: Path) -> None:
    """A reader may copy it."""
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(shown)
    assert round(load_catalogue(path).device("h100-pcie", "bf16").ridge_point) == 347
