"""Each dependency is really used, and each has its line of reason."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORT_NAMES = {
    "apscheduler": "apscheduler",
    "axe-playwright-python": "axe_playwright_python",
    "cel-expr-python": "cel_expr_python",
    "google-re2": "re2",
    "httpx-sse": "httpx_sse",
    "pillow": "PIL",
    "prometheus-api-client": "prometheus_api_client",
    "prometheus-client": "prometheus_client",
    "promql-parser": "promql_parser",
    "python-json-logger": "pythonjsonlogger",
    "pyyaml": "yaml",
    "slack-bolt": "slack_bolt",
    "slack-sdk": "slack_sdk",
}
COMMAND_LINE_ONLY = {
    "httptools": "",  # uvicorn loads it by its name
    "import-linter": "lint-imports",
    "mypy": "mypy",
    "ruff": "ruff check",
    "pre-commit": "",
    "pytest-asyncio": "",
    "pytest-randomly": "",
    "pytest-timeout": "",
    "pytest-xdist": "-n 2",
    "types-jsonschema": "",
    "types-pyyaml": "",
}
STOOD_ON = ("slack-bolt", "apscheduler", "httpx", "prometheus-api-client", "torch", "pyyaml", "pytest")


def _declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["serving"], *extras["dev"]]
    return sorted({re.split(r"[\[<>=!~ ]", line, maxsplit=1)[0].lower() for line in lines})


@cache
def _imported() -> frozenset[str]:
    """Every name that any of our files imports; reading them all takes half a second."""
    found: set[str] = set()
    for folder in ("opsbot", "serving_stub", "tests", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.split(".")[0])
    return frozenset(found)


@pytest.mark.parametrize("name", _declared())
def test_every_declared_dependency_is_used(name: str) -> None:
    """A declared dependency is imported by shipped code or tests, or is a tool that a target calls."""
    if name in COMMAND_LINE_ONLY:
        assert COMMAND_LINE_ONLY[name] in (ROOT / "Makefile").read_text(encoding="utf-8")
    else:
        assert IMPORT_NAMES.get(name, name) in _imported()


@pytest.mark.parametrize("name", STOOD_ON)
def test_what_the_project_stands_on_is_declared_and_imported(name: str) -> None:
    """The packages that the project was asked to stand on are declared, and imported by code or tests."""
    assert name in _declared()
    assert IMPORT_NAMES.get(name, name) in _imported()


@pytest.mark.parametrize("name", _declared())
def test_every_dependency_has_a_reason(name: str) -> None:
    """docs/architecture.md gives each dependency one line of reason."""
    section = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## Dependencies")[1]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("|")]
    named = {word.strip().lower() for row in rows for word in row.split(",")}
    assert name in named
