"""Client signatures: known, unknown or spoofed, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving_stub.errors import FileError, SettingError
from serving_stub.frontdoor.caller import ClientKnown
from serving_stub.frontdoor.signature import SHIPPED, Recognition, load_signature, load_signatures

CHAT = "/v1/chat/completions"
FIELDS = ("model", "messages")
OPENAI = {
    "host": "127.0.0.1:8000",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "authorization": "Bearer k",
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": "OpenAI/Python 3.54.0",
    "x-stainless-lang": "python",
    "x-stainless-package-version": "3.54.0",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.11.7",
    "x-stainless-async": "false",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
    "content-length": "57",
}
HTTPX = {
    "host": "127.0.0.1:8000",
    "accept": "*/*",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "user-agent": "python-httpx/0.28.1",
    "content-length": "57",
    "content-type": "application/json",
}
SIGNATURES = load_signatures()
GOOD = """\
id: ours-1
title: Our client
client: ours
claims: {user-agent: ^Ours/}
release: {user-agent: ^Ours/1}
recorded: {on: 2026-11-24, client: Ours 1.0}
headers:
  order: [host, user-agent, accept]
  forbidden: [cookie]
"""


def recognised(headers: dict[str, str], fields: tuple[str, ...] = FIELDS, path: str = CHAT) -> Recognition:
    return SIGNATURES.recognise(
        [(name.encode(), value.encode("latin-1")) for name, value in headers.items()], fields, path
    )


def moved(headers: dict[str, str], name: str, after: str) -> dict[str, str]:
    """The same headers with *name* right after *after*."""
    rest = [(one, value) for one, value in headers.items() if one != name]
    place = next(index for index, (one, _) in enumerate(rest) if one == after) + 1
    return dict([*rest[:place], (name, headers[name]), *rest[place:]])


def test_recorded_request_is_known() -> None:
    """What the real client sends fits its signature."""
    found = recognised(OPENAI)
    assert (found.client, found.known, found.reason) == (
        "openai-python-3",
        ClientKnown.KNOWN,
        "fits openai-python-3",
    )


def test_users_own_headers_are_no_difference() -> None:
    """Headers that a signature does not list may stand anywhere."""
    assert recognised({"x-team": "blue", **OPENAI, "openai-organization": "o"}).known is ClientKnown.KNOWN


def test_no_user_agent_is_unknown() -> None:
    """Who claims nothing is no impostor."""
    found = recognised({"host": "h"})
    assert (found.client, found.known, found.reason) == (None, ClientKnown.UNKNOWN, "no user agent")


def test_other_user_agent_is_unknown() -> None:
    """A client that nobody recorded is unknown; its user agent is not repeated."""
    found = recognised({"user-agent": "Sesame/1.0 (+mail ada@example.com)"})
    assert (found.known, found.reason) == (ClientKnown.UNKNOWN, "claims no client that is known here")


def test_newer_release_is_unknown_not_spoofed() -> None:
    """On the day of a release its users are not called impostors."""
    found = recognised(OPENAI | {"user-agent": "OpenAI/Python 4.0.0"})
    assert (found.known, found.reason) == (
        ClientKnown.UNKNOWN,
        "claims openai-python, of a release that is not known here",
    )


@pytest.mark.parametrize(
    ("headers", "fields", "reason"),
    [
        pytest.param(HTTPX | {"user-agent": "OpenAI/Python 3.54.0"}, FIELDS, "header order: accept before", id="httpx"),
        pytest.param(
            moved(OPENAI, "accept", "user-agent"), FIELDS, "header order: user-agent before accept", id="order"
        ),
        pytest.param(
            {name: value for name, value in OPENAI.items() if name != "x-stainless-os"},
            FIELDS,
            "header missing: x-stainless-os",
            id="missing",
        ),
        pytest.param(
            OPENAI | {"accept-language": "en"}, FIELDS, "header that it does not send: accept-language", id="extra"
        ),
        pytest.param(OPENAI | {"x-stainless-lang": "js"}, FIELDS, "header value: x-stainless-lang", id="value"),
        pytest.param(OPENAI, ("messages",), "body field missing: model", id="body"),
    ],
)
def test_borrowed_user_agent_is_spoofed(headers: dict[str, str], fields: tuple[str, ...], reason: str) -> None:
    """Who says it is a client and does not look like it is told the first difference."""
    found = recognised(headers, fields)
    assert (found.client, found.known) == ("openai-python-3", ClientKnown.SPOOFED)
    assert found.reason.startswith(f"claims openai-python-3; {reason}")


def test_bodies_of_other_paths_are_not_looked_at() -> None:
    """A GET has no body, and is still the client's."""
    assert recognised(OPENAI, (), "/v1/models").known is ClientKnown.KNOWN


def test_web_page_in_a_browser_nobody_recorded_is_unknown() -> None:
    """The page's client claims itself by its own header; Firefox is then no impostor."""
    found = recognised({"user-agent": "Mozilla/5.0 Gecko/20100101 Firefox/148.0", "x-client-version": "web-2026.11"})
    assert (found.known, found.reason) == (
        ClientKnown.UNKNOWN,
        "claims web, of a release that is not known here",
    )


def test_curl_as_the_web_page_is_spoofed() -> None:
    """The talk's case: a server calls the page's endpoint with the page's headers copied."""
    found = recognised(
        {
            "host": "h",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0",
            "accept": "*/*",
            "x-client-version": "web-2026.11",
            "content-type": "application/json",
            "content-length": "57",
        }
    )
    assert (found.client, found.known) == ("web-2026.11", ClientKnown.SPOOFED)
    assert found.reason == "claims web-2026.11; header order: accept before x-client-version"


def test_fingerprint_tells_programs_apart() -> None:
    """It is equal for two requests of a program, whatever they ask and through whichever proxy; else it differs."""
    one = recognised(HTTPX).fingerprint
    assert recognised(HTTPX | {"content-length": "9", "x-forwarded-for": "1.2.3.4", "cookie": "a"}).fingerprint == one
    assert recognised(HTTPX | {"user-agent": "python-httpx/0.28.2"}).fingerprint != one
    assert recognised(moved(HTTPX, "accept", "connection")).fingerprint != one


def test_bytes_that_are_no_text() -> None:
    """A header that is not UTF-8 breaks nothing."""
    assert recognised({"user-agent": "\xff\xfe"}).known is ClientKnown.UNKNOWN


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_signatures_load(path: Path) -> None:
    """Each file we ship is one release, named like the file."""
    assert f"{load_signature(path).id}.yaml" == path.name


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param("id: ours-1", "id: ours-2", "1:5: id is 'ours-2', expected the file's name 'ours-1'", id="name"),
        pytest.param("^Ours/1}", "'(Ours'}", "5:23: RE2 cannot compile it: missing )", id="regex"),
        pytest.param("[host, user-agent", "[host, accept, user-agent", "8:37: 'accept' stands twice", id="twice"),
        pytest.param("[cookie]", "[accept]", "9:15: 'accept' is forbidden here and expected above", id="both"),
        pytest.param("[host, user-agent", "[Host, user-agent", "8:11: 0: string should match pattern", id="case"),
        pytest.param("forbidden:", "forbiden:", "unknown key 'forbiden', did you mean 'forbidden'?", id="key"),
    ],
)
def test_bad_file_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """A file that is wrong names its place and what is expected."""
    assert old in GOOD
    path = tmp_path / "ours-1.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(FileError) as caught:
        load_signature(path)
    assert problem in str(caught.value)


def test_folder_without_signatures_is_refused(tmp_path: Path) -> None:
    """A wrong path does not mean a door to which everybody is unknown."""
    with pytest.raises(SettingError, match="has no signature"):
        load_signatures(tmp_path)
