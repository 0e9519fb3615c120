"""Tenants and keys: who is let in, what is refused and how, and a file that changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from serving_stub.errors import FileError
from serving_stub.frontdoor.limits import Budget
from serving_stub.frontdoor.refusal import Reason, Refusal
from serving_stub.frontdoor.tenant import OPEN_DIRECTORY, Holder, ServiceClass, Tenants, new_key, read_directory

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "tenants.yaml"
NOW = 1_780_000_000.0


def digest(key: str) -> str:
    """As stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a tenants file, each without the folder."""
    path = tmp_path / "tenants.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        read_directory(path)
    return [one.removeprefix(f"{tmp_path}/") for one in caught.value.problems]


def test_the_example_in_the_docs() -> None:
    """It loads, and its key is let in with class, account, age and budgets."""
    holder = read_directory(EXAMPLE).authenticate("Bearer sk-example-acme-ci", NOW)
    assert holder == Holder(
        tenant="acme",
        service_class=ServiceClass("paid", 0, queue_bound=200, deadline_s=20.0),
        key="acme-ci",
        account="ci",
        created_at=1_740_787_200.0,
        expires_at=4_070_908_800.0,
        budgets=(Budget("key/acme-ci", 60, None), Budget("tenant/acme", 600, 400_000)),
    )
    assert isinstance(holder, Holder)
    assert holder.identity == "account:acme/ci"


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, Reason.MISSING_API_KEY),
        ("", Reason.MISSING_API_KEY),
        ("Bearer ", Reason.MISSING_API_KEY),
        ("Basic c2s=", Reason.MISSING_API_KEY),
        ("Bearer sk-wrong", Reason.INVALID_API_KEY),
        ("Bearer " + "x" * 100_000, Reason.INVALID_API_KEY),
        ("Bearer \udce9", Reason.INVALID_API_KEY),
    ],
)
def test_who_is_not_let_in(authorization: str | None, reason: Reason) -> None:
    """401 with the code of the case; the key is never repeated."""
    refusal = read_directory(EXAMPLE).authenticate(authorization, NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code, refusal.reason) == (401, reason.value, reason)
    assert "wrong" not in refusal.message
    assert list(refusal.wire_headers()) == [("www-authenticate", "Bearer")]


def test_a_key_expires_on_time() -> None:
    """The last second before is fine."""
    directory = read_directory(EXAMPLE)
    assert isinstance(directory.authenticate("bearer sk-example-acme-ci", 4_070_908_799.0), Holder)
    refusal = directory.authenticate("Bearer sk-example-acme-ci", 4_070_908_800.0)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.EXPIRED_API_KEY


def test_without_a_file_everybody_is_anonymous() -> None:
    """As before there were tenants: any key and none are the same."""
    for authorization in (None, "Bearer sk-anything"):
        holder = OPEN_DIRECTORY.authenticate(authorization, NOW)
        assert isinstance(holder, Holder)
        assert (holder.tenant, holder.service_class.name, holder.identity) == ("anonymous", "default", None)
    assert Tenants(None).reload() == ()


def test_a_new_key_opens_the_door(tmp_path: Path) -> None:
    """What is made is what is let in; its text shows neither in the value's repr nor in the file."""
    made = new_key()
    assert made.key.startswith("sk-")
    assert len(made.key) == 46
    assert made.key not in repr(made)
    path = tmp_path / "tenants.yaml"
    path.write_text(
        "classes: [{name: a}]\n"
        f"tenants: [{{id: t, class: a, keys: [{{id: {made.key_id}, sha256: '{made.sha256}'}}]}}]\n"
    )
    holder = read_directory(path).authenticate(f"Bearer {made.key}", NOW)
    assert isinstance(holder, Holder)
    assert holder.identity == f"key:{made.key_id}"


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Repeated names, unknown classes and keys in plain text, each with its place."""
    text = f"""classes:
  - {{name: paid, priorty: 1}}
tenants:
  - id: a
    class: paid
    created: yesterday
    keys:
      - id: k
        sha256: sk-oh-no
      - id: l
        sha256: "{digest("x")}"
        limits: {{requests_per_min: 0}}
"""
    assert problems_of(tmp_path, text) == [
        "tenants.yaml:2:18: unknown key 'priorty', did you mean 'priority'?",
        "tenants.yaml:6:14: created: a day or time such as 2026-01-31 or 2026-01-31T12:00:00Z is needed",
        "tenants.yaml:9:17: sha256: 64 digits 0-9a-f are needed, the SHA-256 of the key, and never the key itself",
        "tenants.yaml:12:36: requests_per_min: input should be greater than or equal to 1, not 0",
    ]


def test_names_are_given_once(tmp_path: Path) -> None:
    """Of classes, tenants and keys; a key cannot have two holders."""
    text = f"""classes: [{{name: paid}}, {{name: paid}}]
tenants:
  - {{id: a, class: piad, keys: [{{id: k, sha256: "{digest("x")}"}}]}}
  - {{id: a, class: paid, keys: [{{id: k, sha256: "{digest("x")}"}}]}}
"""
    assert problems_of(tmp_path, text) == [
        "tenants.yaml:1:32: name: there is a class 'paid' already",
        "tenants.yaml:3:20: class: no class 'piad' is defined, did you mean 'paid'?",
        "tenants.yaml:4:10: id: there is a tenant 'a' already",
        "tenants.yaml:4:38: id: there is a key 'k' already",
        "tenants.yaml:4:49: sha256: this key is in the file already",
    ]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """A bad one is reported until it is mended, and the last good one stays in force."""
    path = tmp_path / "tenants.yaml"
    path.write_text("classes: [{name: one}]\n")
    tenants = Tenants(path)
    assert tenants.reload() == ()
    path.write_text("classes: [{name: second}, {name: third}]\n")
    assert tenants.reload() == ()
    assert list(tenants.directory.classes) == ["second", "third"]
    path.write_text("classes: []\n")
    for _ in range(2):
        (problem,) = tenants.reload()
        assert problem.startswith(f"{path}:1:10: classes: ")
    assert list(tenants.directory.classes) == ["second", "third"]
    path.unlink()
    assert tenants.reload() == (f"{path}:1:1: cannot be read: No such file or directory",)
    path.write_text("classes: [{name: fourth}]\n")
    assert tenants.reload() == ()
    assert list(tenants.directory.classes) == ["fourth"]


def test_a_server_does_not_start_with_a_bad_file(tmp_path: Path) -> None:
    """There is no last good one then."""
    with pytest.raises(FileError, match="cannot be read"):
        Tenants(tmp_path / "gone.yaml")
