"""docs/slack.md can be pasted: its settings load, its commands are there, its errors are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from opsbot.cli import COMMANDS
from opsbot.config import SlackSection, load_settings
from opsbot.slack.manifest import SCOPES
from opsbot.slack.notifier import MATTER
from opsbot.slack.request_url import MAX_BYTES, PATH
from opsbot.slack_command import slack_group

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/slack.md").read_text(encoding="utf-8")


def test_the_settings_load(tmp_path: Path) -> None:
    """As they are pasted, with a person, a group and somebody of the command line."""
    found = re.search(r"^ *```yaml opsbot.yaml\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    path = tmp_path / "opsbot.yaml"
    path.write_text("\n".join(line.removeprefix("   ") for line in found[1].splitlines()), encoding="utf-8")
    settings = load_settings(path)
    assert {one.user_group for one in settings.people if one.user_group} == {"@oncall", "@trust-and-safety"}
    assert settings.slack.trust_and_safety_channel == "trust-and-safety"


def test_every_yaml_snippet_is_of_the_slack_section() -> None:
    """Also those of HTTP mode and of other servers."""
    snippets = re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    sections = [yaml.safe_load(text)["slack"] for text in snippets if "slack:" in text]
    assert len(sections) == 2
    for section in sections:
        SlackSection.model_validate(section)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"opsbot slack (\w+)", PAGE))))
def test_every_command_is_there(command: str) -> None:
    """Below `opsbot slack`."""
    assert "slack" in COMMANDS
    assert command in slack_group.commands


def test_numbers_and_words_are_those_of_the_code() -> None:
    """What people compare with what they see."""
    assert len(SCOPES) == 13
    assert "thirteen scopes" in PAGE
    assert MAX_BYTES == 1 << 20
    assert "larger than 1 MiB" in PAGE
    assert PATH in PAGE
    assert MATTER in PAGE


@pytest.mark.parametrize(
    "said",
    [
        "sign in with the bot token",
        "open Socket Mode",
        "Slack gave no Socket Mode connection",
        "that the bot can see",
        "refused, the last:",
        "forged_or_old",
        "cannot listen on",
    ],
)
def test_the_errors_are_what_the_code_says(said: str) -> None:
    """Whoever searches the page for what they see must find it."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "opsbot").rglob("*.py"))
    assert said in PAGE
    assert said in source


def test_links_lead_somewhere() -> None:
    """Files beside the page, and headings on it."""
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in PAGE.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        name, _, anchor = target.partition("#")
        if not target.startswith("http"):
            assert not name or (ROOT / "docs" / name).exists(), target
            assert name or anchor in headings, target
