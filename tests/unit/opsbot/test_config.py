"""Settings and secrets: what is wrong is said with its place and what to do, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.config import load_settings
from opsbot.config_secrets import load_secrets
from opsbot.errors import ConfigError

GOOD = """\
version: 1
serving:
  - {cluster: eu-1, url: "http://127.0.0.1:8000", control_token_env: EU_TOKEN}
people:
  - {user: U1, roles: [responder]}
  - {user: "cli:ann", roles: [commander], token_env: ANN_TOKEN}
"""


def write(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "opsbot.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_fill_what_is_left_out(tmp_path: Path) -> None:
    """Only the version and one cluster are needed."""
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.serving[0].control_token_env == "EU_TOKEN"
    assert (settings.core.host, settings.core.port) == ("127.0.0.1", 8070)
    assert settings.runs.max_hold == 4 * 3600


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    """An unknown key with a suggestion, a wrong type and an unknown role, in one go."""
    path = write(tmp_path, GOOD + "slak: {channel: x}\ncore: {port: many}\n")
    path.write_text(path.read_text().replace("[responder]", "[responsible]"))
    with pytest.raises(ConfigError) as error:
        load_settings(path)
    told = "\n".join(error.value.problems)
    assert f"{path}:7:1: " in told
    assert "did you mean 'slack'?" in told
    assert f"{path}:8:14: " in told
    assert "responsible" in told
    assert len(error.value.problems) == 3


def test_without_a_file_it_says_what_to_do(tmp_path: Path) -> None:
    """No file: the message names --config."""
    with pytest.raises(ConfigError, match="no such file; name one with --config"):
        load_settings(tmp_path / "nothing.yaml")


def test_missing_secrets_are_named_all_at_once(tmp_path: Path) -> None:
    """Each variable that is not set, and what it is for."""
    settings = load_settings(write(tmp_path, GOOD))
    with pytest.raises(ConfigError) as error:
        load_secrets(settings, {})
    assert [problem.split()[2] for problem in error.value.problems] == ["OPSBOT_API_TOKEN", "EU_TOKEN"]
    assert "the control token of cluster eu-1" in str(error.value)


def test_secrets_never_show_in_a_repr(tmp_path: Path) -> None:
    """Whoever logs the object logs no token; an unset personal token is simply absent."""
    settings = load_settings(write(tmp_path, GOOD))
    secrets = load_secrets(settings, {"OPSBOT_API_TOKEN": "s3cret", "EU_TOKEN": "t0ken"})
    assert "s3cret" not in repr(secrets)
    assert "t0ken" not in repr(secrets)
    assert secrets.personal_tokens == {}
    assert secrets.slack_bot_token is None


def loaded(folder: Path, *lines: str) -> str:
    """The problems of a file of these lines and nothing to watch but what they name."""
    try:
        load_settings(write(folder, "\n".join(["version: 1", *lines, ""])))
    except ConfigError as error:
        return "\n".join(error.problems)
    return ""


def test_one_prometheus_may_stand_without_a_list(tmp_path: Path) -> None:
    """As it could before there were several; `serving` may be left out then."""
    one = load_settings(write(tmp_path, 'version: 1\nprometheus: {url: "http://p:9090"}\n'))
    many = load_settings(write(tmp_path, 'version: 1\nprometheus: [{url: "http://p:9090"}]\n'))
    assert one.prometheus == many.prometheus
    assert (one.prometheus[0].name, one.prometheus[0].interval, one.prometheus[0].insecure) == (
        "prometheus",
        5.0,
        False,
    )


def test_targets_may_stand_without_a_list(tmp_path: Path) -> None:
    """A path, or several."""
    one = load_settings(write(tmp_path, 'version: 1\ntargets_file: t.yaml\ntargets_url: "http://sd/targets"\n'))
    assert (one.targets_file, one.targets_url) == ((Path("t.yaml"),), ("http://sd/targets",))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "nothing to watch: name serving, targets_file, targets_url or prometheus"),
        ("prometheus: {url: p}", "opsbot.yaml:2:19: url: 'p' is no address such as https://prometheus.example:9090"),
        ("prometheus: [{url: 'http://a:b@p'}]", "opsbot.yaml:2:20: url: a user or password stands in the address"),
        ("prometheus: {url: 'http://p', token_env: T}", "its token would be sent unencrypted; use https"),
        ("prometheus: {url: 'http://p', labels: {alertname: x}}", "'alertname' cannot be a server's label"),
        ("prometheus: {url: 'http://p', labels: {region: ''}}", "the label 'region' is empty"),
        ("prometheus: {url: 'http://p', interval: 100ms}", "interval: at least 1 is needed"),
        ("prometheus: {url: 'http://p', tokn_env: T}", "unknown key 'tokn_env', did you mean 'token_env'?"),
        ("prometheus: [{url: 'http://p'}, {url: 'http://q'}]", "two servers have the name 'prometheus'"),
        ("prometheus: [{url: 'http://p'}, {url: 'http://q', name: q}]", "two servers have the labels {}"),
        ("targets_url: 'ftp://x'", "'ftp://x' is no address"),
        ("targets_file: t.yaml\nprometheus: {url: 'http://p'}", "which prometheus replaces; drop one"),
    ],
)
def test_wrong_sources_are_told(line: str, problem: str, tmp_path: Path) -> None:
    """With the place where the file has one."""
    assert problem in loaded(tmp_path, line)


def test_the_tokens_of_servers_are_secrets(tmp_path: Path) -> None:
    """Over TLS, or on this machine, or where somebody says that it need not be safe."""
    settings = load_settings(
        write(
            tmp_path,
            "version: 1\nprometheus:\n"
            "  - {url: 'https://p', name: eu, labels: {region: eu}, token_env: EU}\n"
            "  - {url: 'http://127.0.0.1:1', name: us, labels: {region: us}, token_env: US}\n"
            "  - {url: 'http://x', name: x, labels: {region: x}, token_env: US, insecure: true}\n",
        )
    )
    with pytest.raises(ConfigError, match="EU is not set: the token of the Prometheus eu"):
        load_secrets(settings, {"OPSBOT_API_TOKEN": "a", "US": "b"})
    secrets = load_secrets(settings, {"OPSBOT_API_TOKEN": "a", "US": "b", "EU": "c"})
    assert secrets.prometheus_tokens == {"eu": "c", "us": "b", "x": "b"}


def test_a_fleet_has_a_token_of_its_own(tmp_path: Path) -> None:
    """It is asked for where a fleet is named, and nowhere shown."""
    settings = load_settings(
        write(tmp_path, GOOD + 'fleet: {url: "http://127.0.0.1:8100", control_token_env: FLEET}\n')
    )
    environ = {"OPSBOT_API_TOKEN": "a", "EU_TOKEN": "b", "ANN_TOKEN": "c"}
    with pytest.raises(ConfigError, match="environment variable FLEET is not set: the fleet's control token"):
        load_secrets(settings, environ)
    secrets = load_secrets(settings, {**environ, "FLEET": "hidden"})
    assert secrets.fleet_token == "hidden"
    assert "hidden" not in repr(secrets)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("actions: {http: {allow: ['https://a.example']}}", "is none of host, host:port, address"),
        ("actions: {process: {allow: {it: {argv: [reboot]}}}}", "is no whole path"),
        ("actions: {secrets: {env: [token]}}", "string should match pattern"),
        ("actions: {htpp: {}}", "htpp"),
    ],
)
def test_what_runbooks_may_reach_is_checked(tmp_path: Path, text: str, says: str) -> None:
    """At its place in the file."""
    with pytest.raises(ConfigError, match=says):
        load_settings(write(tmp_path, f"{GOOD}{text}\n"))
