"""The manifest is what the code needs, no more and no less, and what Slack takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from opsbot.cli import main
from opsbot.slack.commands import COMMAND
from opsbot.slack.listeners import shortcuts
from opsbot.slack.manifest import APP_LEVEL, FREE_EVENTS, FREE_METHODS, SCOPES, manifest, scopes_of
from opsbot.workspace.api_scopes import SCOPES as SLACKS_SCOPES

ROOT = Path(__file__).parents[4]
URL = "https://opsbot.example.com/slack/events"
FAMILIES = "apps|auth|bookmarks|bots|chat|conversations|emoji|files|pins|reactions|team|usergroups|users|views"
UPLOAD = {"files.getUploadURLExternal", "files.completeUploadExternal"}
"""What the library's `files_upload_v2` calls."""


def source() -> str:
    """All of the Slack side's code, but for the check, which calls nothing else."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "opsbot" / "slack").rglob("*.py"))


def called() -> set[str]:
    """Every method of the Web API that it calls."""
    found = {name.replace("_", ".") for name in re.findall(rf"\.((?:{FAMILIES})_\w+)\(", source())}
    return (found - {"files.upload.v2"}) | (UPLOAD if "files.upload.v2" in found else set())


def test_every_method_that_is_called_has_its_scope() -> None:
    """And the table names none that is not called."""
    listed = {method for scope in SCOPES for method in scope.methods}
    assert called() == listed | FREE_METHODS | set(APP_LEVEL)


@pytest.mark.parametrize("method", sorted({method for scope in SCOPES for method in scope.methods}))
def test_the_scopes_are_those_of_slacks_reference(method: str) -> None:
    """As the workspace has them from each method's page; for conversations, those of channels and private channels."""
    wanted = {one for one in SLACKS_SCOPES[method] if not one.startswith(("im:", "mpim:"))}
    assert scopes_of(method) == wanted


def test_every_event_that_is_heard_is_asked_for() -> None:
    """Without the subscription Slack never sends it."""
    heard = set(re.findall(r'app\.event\("(\w+)"\)', source()))
    asked = set(manifest()["settings"]["event_subscriptions"]["bot_events"])
    assert heard == asked == {*FREE_EVENTS, *(event for scope in SCOPES for event in scope.events)}


def test_shortcuts_and_command_are_those_that_are_listened_to() -> None:
    """By their ids."""
    features = manifest()["features"]
    found = {(one["type"], one["callback_id"]) for one in features["shortcuts"]}
    assert found == {("message", shortcuts.ADD), ("global", shortcuts.OPEN)}
    assert [one["command"] for one in features["slash_commands"]] == [COMMAND]


@pytest.mark.parametrize("url", ["", URL])
def test_slack_takes_it(url: str) -> None:
    """By the reference's keys and limits."""
    schema = json.loads((ROOT / "tests/data/slack_manifest_schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(manifest(url), schema)


def test_http_mode_has_the_address_wherever_slack_calls() -> None:
    """Events, presses, menus that are filled by typing, the command; and no Socket Mode."""
    found = manifest(URL)
    settings = found["settings"]
    assert settings["socket_mode_enabled"] is False
    assert settings["event_subscriptions"]["request_url"] == URL
    assert settings["interactivity"]["request_url"] == settings["interactivity"]["message_menu_options_url"] == URL
    assert found["features"]["slash_commands"][0]["url"] == URL
    assert manifest()["settings"]["socket_mode_enabled"] is True


@pytest.mark.parametrize(("name", "arguments"), [("manifest", []), ("manifest-http", ["--mode", "http", "--url", URL])])
def test_the_files_are_what_the_command_prints(name: str, arguments: list[str]) -> None:
    """Whoever changes the table makes them anew."""
    done = CliRunner().invoke(main, ["slack", "manifest", *arguments])
    assert done.exit_code == 0, done.output
    assert (ROOT / f"docs/slack/{name}.yaml").read_text(encoding="utf-8") == done.output
    assert yaml.safe_load(done.output) == manifest(URL if arguments else "")


@pytest.mark.parametrize("arguments", [["--mode", "http"], ["--mode", "http", "--url", "http://x"], ["--url", URL]])
def test_an_address_that_slack_would_refuse_is_refused(arguments: list[str]) -> None:
    """Before somebody pastes it."""
    done = CliRunner().invoke(main, ["slack", "manifest", *arguments])
    assert (done.exit_code, "--url is" in done.output) == (1, True)
