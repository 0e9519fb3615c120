"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--screenshots FOLDER` keeps the pictures that the browser tests take, for the README for example."""
    parser.addoption("--screenshots", type=Path, default=None, help="keep the browser tests' pictures in this folder")


@pytest.fixture
def screenshots(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where pictures go: a temporary folder unless `--screenshots` names one."""
    folder: Path = request.config.getoption("screenshots") or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
