"""Which receivers there are, by settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from opsbot.config import load_settings
from opsbot.config_secrets import load_secrets
from opsbot.errors import ConfigError
from opsbot.inbound import inbound_receivers
from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.errors import UnauthorizedError
from opsbot.web.inbound.receiver import Receiver, with_alert_door
from opsbot.web.tokens import Tokens

SETTINGS = """\
version: 1
serving:
  - {cluster: eu-1, url: "http://127.0.0.1:8000"}
inbound:
"""
MACHINE = Tokens.of("machine", {}).api_digest


def problems(folder: Path, entries: str) -> str:
    """What is said about these entries of `inbound`."""
    path = folder / "opsbot.yaml"
    path.write_text(SETTINGS + entries, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_settings(path)
    return "\n".join(error.value.problems)


def is_open_to(receiver: Receiver, token: str) -> bool:
    """Whether a bearer token opens it."""
    try:
        receiver.credential.check_headers(Headers({"authorization": f"Bearer {token}"}), 0.0)
    except UnauthorizedError:
        return False
    return True


def test_each_entry_is_a_receiver(tmp_path: Path) -> None:
    """With the tokens of its own variables, all of them valid, and nobody else's."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(
        SETTINGS + "  - {name: one, kind: grafana, token_env: [ONE_NEW, ONE_OLD]}\n"
        "  - {name: two, kind: generic, signature_env: [TWO]}\n"
    )
    settings = load_settings(path)
    environment = {name: f"{name}-token-of-tests" for name in ("ONE_NEW", "ONE_OLD", "TWO")}
    secrets = load_secrets(settings, {"OPSBOT_API_TOKEN": "a", "SERVING_CONTROL_TOKEN": "b", **environment})
    one, two = inbound_receivers(settings, secrets)
    assert (one.name, one.kind, two.name, two.kind) == ("one", "grafana", "two", "generic")
    assert [is_open_to(one, f"{name}-token-of-tests") for name in ("ONE_NEW", "ONE_OLD", "TWO")] == [True, True, False]
    assert not is_open_to(two, "TWO-token-of-tests")
    assert "token-of-tests" not in repr((secrets, one, two))


def test_secrets_that_are_missing_or_short_are_named(tmp_path: Path) -> None:
    """An empty variable is no token, and neither is one that can be guessed."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(SETTINGS + "  - {name: one, kind: grafana, token_env: [ONE, TWO]}\n")
    environment = {"OPSBOT_API_TOKEN": "a", "SERVING_CONTROL_TOKEN": "b", "ONE": "", "TWO": "secret"}
    with pytest.raises(ConfigError) as error:
        load_secrets(load_settings(path), environment)
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "environment variable ONE is not set",
        "environment variable TWO is too short",
    ]
    assert "secret" not in error.value.problems[1]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ("  - {name: a, kind: grafana}\n", "`token_env` or `signature_env` is needed"),
        ("  - {name: a, kind: datadog, signature_env: [A]}\n", "datadog does not sign"),
        ("  - {name: a, kind: grafana, signature_env: [A], basic_user: u}\n", "`basic_user` needs `token_env`"),
        ("  - {name: alertmanager, kind: generic, token_env: [A]}\n", "is the alert door's"),
        ("  - {name: A/b, kind: generic, token_env: [A]}\n", ":5:12: name: "),
        ("  - {name: a, kind: nagios, token_env: [A]}\n", ":5:21: kind: "),
        (
            "  - {name: a, kind: generic, token_env: [A]}\n  - {name: a, kind: grafana, token_env: [B]}\n",
            "two receivers are called a",
        ),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, entries: str, says: str) -> None:
    """Each is told with its place."""
    assert says in problems(tmp_path, entries)


def test_the_alert_door_is_always_there() -> None:
    """It takes the token between the roles, and beside it tokens that an entry of its name gives it."""
    (door,) = with_alert_door([], MACHINE)
    assert is_open_to(door, "machine")
    own = Receiver("alertmanager", "alertmanager", Credential.of(["own-token"]))
    other = Receiver("other", "generic", Credential.of(["other-token"]))
    door, last = with_alert_door([other, own], MACHINE)
    assert (is_open_to(door, "machine"), is_open_to(door, "own-token"), is_open_to(door, "other-token")) == (
        True,
        True,
        False,
    )
    assert last is other
    assert not is_open_to(other, "machine")
    assert not is_open_to(door, "")
