"""What the proofs of the shipped runbooks share: one loop a file, and a seeded subset of them for CI."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--runbooks-subset N` proves N of them, chosen by `--seed S`, by the date unless stated."""
    parser.addoption(
        "--runbooks-subset", type=int, default=0, help="prove so many, chosen by --seed; all unless stated"
    )
    parser.addoption("--seed", default="", help="of --runbooks-subset; the date unless stated")


def _seed(config: pytest.Config) -> str:
    return config.getoption("seed") or time.strftime("%Y-%m-%d", time.gmtime())


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which ones are proven, so that the same can be proven again."""
    number = config.getoption("runbooks_subset")
    return f"runbooks: {number} of them, --seed {_seed(config)}" if number else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the subset."""
    number = config.getoption("runbooks_subset")
    proofs = [item for item in items if item.get_closest_marker("runbooks")]
    if number and len(proofs) > number:
        kept = set(random.Random(_seed(config)).sample(sorted(item.nodeid for item in proofs), number))
        config.hook.pytest_deselected(items=[item for item in proofs if item.nodeid not in kept])
        items[:] = [item for item in items if item.nodeid in kept or item not in proofs]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workspace() -> AsyncIterator[Workspace]:
    """The Slack of one file."""
    async with running(WorkspaceSettings("xoxb-l", "xapp-l", "p", port=0)) as found:
        yield found
